import { describe, expect, test } from 'vitest';
import { parseDeed, parseWord } from '../../../../src/adapters/queue/jobs.ts';
import { parseGrantRecord } from '../../../../src/domain/grant/record.ts';

/**
 * A grant as this version writes it, to the byte. From the first release on it never changes: in a Redis or a lease somewhere there is one
 * like it. What later versions add is not in it.
 */
const FIRST =
  '{"version":1,"id":"g-7k3fq2","revision":3,"state":"ending","requester":{"slackId":"U0ADA","name":"Ada","user":"ada@example.test","groups":["developers"]},"profile":"troubleshoot","target":{"namespace":"staging","workload":{"kind":"Deployment","name":"checkout"}},"duration":1800,"reason":"checkout returns 502","plan":{"user":"ada@example.test","groups":["developers"],"profileName":"troubleshoot","profileDigest":"d1","cluster":"c1","target":{"namespace":"staging","workload":{"kind":"Deployment","name":"checkout"}},"namespaceUid":"n1","duration":1800,"role":null,"roleMayGrow":false,"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}],"workload":{"uid":"u1","selector":{"matchLabels":{"app":"checkout"}},"labels":{"app":"checkout"}},"pods":["checkout-1"],"network":{"mode":"workspace","image":"example.test/tools:1","command":[],"ports":[{"port":8080,"protocol":"TCP"}],"dns":"none","selector":{"matchLabels":{"app":"checkout"}},"admits":true,"hostAliases":[],"strict":false,"foreign":[]},"surroundings":{"policies":[{"name":"staging/default-deny","spec":"d3"}],"isolation":[{"pods":"target","before":["Ingress"],"with":["Ingress"]}]},"preview":{"asOf":1767603500000,"opens":[],"closes":[],"reaches":[],"isolates":[],"unlisted":{"opens":0,"closes":0,"reaches":0},"notes":["a note"]},"persistence":[]},"digest":"d2","approvalsNeeded":1,"decisions":[{"by":{"slackId":"U0BEN","name":"Ben","user":"ben@example.test","groups":[]},"verdict":"approve","at":1767603600000,"rule":"profiles.troubleshoot.approvers","note":"","digest":"d2"}],"createdAt":1767603500000,"pendingUntil":1767607100000,"startsAt":1767603600000,"expiresAt":1767605400000,"extension":null,"ending":{"cause":"revoked","since":1767604000000,"by":null,"note":""},"endedAt":null,"message":{"channel":"C0ACCESS","ts":"1.0"},"thread":null,"pods":["checkout-1"],"workspacePod":null,"remarks":[]}';

const grantIn = (stored: string) => {
  const parsed = parseGrantRecord(stored);
  if ('problem' in parsed) throw new Error(parsed.problem);
  return parsed.grant;
};

describe('a stored grant', () => {
  test('of the first version is read, with what was added since as it was before there was any', () => {
    const grant = grantIn(FIRST);
    expect(grant).toMatchObject(JSON.parse(FIRST) as object);
    expect(grant).toMatchObject({ endTold: false, extensionDenied: null });
    expect(grant.ending).toMatchObject({ rightsGoneAt: null, policyGoneAt: null, workspaceGoneAt: null });
  });

  test('keeps members that this version does not know, wherever they are, when it is written again', () => {
    const newer = FIRST.replace('"cause":"revoked"', '"cause":"revoked","colour":"red"').replace(
      '"revision":3',
      '"revision":3,"later":{"a":[1]}',
    );
    const again = JSON.parse(JSON.stringify({ ...grantIn(newer), remarks: ['older'] })) as Record<string, unknown>;
    expect(again).toMatchObject({ later: { a: [1] }, ending: { colour: 'red' }, remarks: ['older'] });
  });

  test.each([
    ['a newer version', FIRST.replace('"version":1', '"version":2'), true],
    ['a newer version of another shape', '{"version":7,"grants":[]}', true],
    ['a version that never was', FIRST.replace('"version":1', '"version":0'), false],
    ['this version, broken', FIRST.replace('"ending"', '"ended-somehow"'), false],
    ['no JSON', '{', false],
  ])('of %s is not read', (_what, stored, newer) => {
    expect(parseGrantRecord(stored)).toMatchObject({ problem: expect.any(String) as string, newer });
  });
});

describe('a job in the queue', () => {
  test.each([
    { v: 1, kind: 'apply', id: 'g-7k3fq2' },
    { v: 1, kind: 'revoke', id: 'g-7k3fq2' },
    { v: 1, kind: 'warn', id: 'g-7k3fq2' },
    { v: 1, kind: 'timeout', id: 'g-7k3fq2' },
    { v: 1, kind: 'remind', id: 'g-7k3fq2' },
  ])('of the first version is still a deed: $kind', (job) => {
    expect(parseDeed(job)).toEqual({ job });
  });

  test.each([
    [{ v: 2, kind: 'escalate', id: 'g-7k3fq2' }, parseDeed],
    [{ v: 2, kind: 'tell', id: 'g-7k3fq2', news: 'escalated' }, parseWord],
    [{ v: 2, kind: 'tell', id: 'g-7k3fq2', news: 'step' }, parseWord],
  ])('of the second version is read, and left alone by the first: %o', (job, parse) => {
    expect(parse(job)).toEqual({ job });
    expect(job.v).toBeGreaterThan(1);
  });

  test.each([
    { v: 1, kind: 'tell', id: 'g-7k3fq2', news: 'ended' },
    { v: 1, kind: 'alarm', id: null, text: 'look' },
  ])('of the first version is still a word: $kind', (job) => {
    expect(parseWord(job)).toEqual({ job });
  });
});
