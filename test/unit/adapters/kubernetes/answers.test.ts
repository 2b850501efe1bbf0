import { describe, expect, it } from 'vitest';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { apiOn } from '../../../support/wire-api.ts';

const ABSENT = JSON.stringify({ kind: 'Status', status: 'Failure', code: 404, message: 'pods "x" not found' });
const answering = (status: number, text: string, more: object = {}) =>
  apiOn((_request, response) => void response.writeHead(status, { 'content-type': 'text/plain', ...more }).end(text));

describe('what is not the API server’s', () => {
  it.each([
    ['a load balancer that has nobody behind it', 'default backend - 404'],
    ['a proxy that answers JSON', '{"type":"error","code":"NotFound"}'],
    ['nobody', ''],
  ])('is no word on what is gone: a 404 of %s', async (_whose, text) => {
    const api = await answering(404, text);
    await expect(api.read('RoleBinding', 'staging', 'x')).rejects.toBeInstanceOf(Unavailable);
    await expect(api.remove('RoleBinding', 'staging', 'x')).rejects.toBeInstanceOf(Unavailable);
    await expect(api.mergePatch('Job', 'staging', 'x', {})).rejects.toBeInstanceOf(Unavailable);
  });

  it('is no answer: a page to log in at', async () => {
    const api = await answering(200, '<html>log in');
    for (const call of [
      api.read('Namespace', null, 'x'),
      api.remove('Pod', 'staging', 'x'),
      api.list('Pod', null),
      api.version('Pod', {}),
      api.create('SubjectAccessReview', {}),
    ])
      await expect(call).rejects.toBeInstanceOf(Unavailable);
  });

  it('is not gone to: a redirect gets nobody the credential', async () => {
    const asked: (string | undefined)[] = [];
    const api = await apiOn((request, response) => {
      asked.push(request.url);
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    await expect(api.remove('Pod', 'staging', 'x')).rejects.toMatchObject({ status: 307 });
    expect(asked).toHaveLength(1);
  });
});

it('what the API server says is gone is gone', async () => {
  const api = await answering(404, ABSENT);
  expect(await api.read('RoleBinding', 'staging', 'x')).toBeNull();
  expect(await api.remove('RoleBinding', 'staging', 'x')).toBe('absent');
});

it('a version that is not served has no kinds, in whatever words', async () => {
  const api = await answering(404, '404 page not found');
  expect(await api.kinds('example.test/v1')).toEqual([]);
});

it('an answer that breaks off is none', async () => {
  const api = await apiOn((_request, response) => {
    response.writeHead(200, { 'content-length': 100, date: 'Mon, 05 Jan 2026 09:00:00 GMT' });
    response.write('{', () => response.destroy());
  });
  for (const call of [api.ready(), api.time(), api.read('Namespace', null, 'x')])
    await expect(call).rejects.toBeInstanceOf(Unavailable);
});
