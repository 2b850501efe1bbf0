import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Asked,
  carried,
  carriedAsked,
  carriedNoted,
  carry,
  carryAsked,
  messageOf,
} from '../../../../../src/adapters/slack/surfaces/actions.ts';
import { escape } from '../../../../../src/adapters/slack/surfaces/text/text.ts';
import { Refusal } from '../../../../../src/domain/errors.ts';

const ID = 'g-7k3fq2';
const DIGEST = '0123456789ab';

it('a note comes back from a button that Slack escaped on its way', () => {
  const note = 'a && b <at> c';
  const value = carry(ID, DIGEST, { note });
  const escaped = escape(value);
  expect(escaped).not.toBe(value);
  for (const given of [value, escaped]) expect(carried(given).note).toBe(note);
});

describe('the value of a button', () => {
  it('comes back as it went', () => {
    expect(carried(carry(ID, DIGEST, { note: 'for "now"' }))).toEqual({ id: ID, digest: DIGEST, note: 'for "now"' });
  });

  it('fits into a button, whatever the note', () => {
    const long = fc
      .tuple(fc.array(fc.nat(0x10ffff), { maxLength: 40 }), fc.nat(200))
      .map(([points, times]) => String.fromCodePoint(...points).repeat(times));
    fc.assert(
      fc.property(long, (note) => {
        const value = carry(ID, DIGEST, { note });
        return value.length <= 2000 && carried(value).id === ID;
      }),
    );
  });

  it.each([
    undefined,
    '',
    'null',
    'g-7k3fq2',
    '{"id":"g-7k3fq2"}',
    '{"id":"x","digest":"0123456789ab"}',
    '{"id":"g-7k3fq2","digest":"0123456789AB"}',
    '{"id":"g-7k3fq2","digest":"0123456789ab","approved":true}',
    '{"id":["g-7k3fq2"],"digest":"0123456789ab"}',
  ])('%j is none of ours', (value) => {
    expect(() => carried(value)).toThrow(Refusal);
  });
});

describe('the metadata of a note', () => {
  it('holds ids only', () => {
    const about = { id: ID, digest: DIGEST, message: null, of: 'request' };
    expect(carriedNoted(JSON.stringify(about))).toEqual(about);
    expect(() => carriedNoted(JSON.stringify({ ...about, verdict: 'approve' }))).toThrow(Refusal);
    expect(() => carriedNoted(JSON.stringify({ ...about, message: { channel: 'general', ts: '1.2' } }))).toThrow(
      Refusal,
    );
    expect(() => carriedNoted(undefined)).toThrow(Refusal);
  });
});

describe('where a button was', () => {
  it('is what Slack says, never what the button says', () => {
    expect(messageOf({ type: 'message', channel_id: 'C0ACCESS', message_ts: '1.2' })).toEqual({
      channel: 'C0ACCESS',
      ts: '1.2',
    });
    expect(messageOf({ type: 'message', channel_id: 'C0ACCESS', message_ts: '1.2', is_ephemeral: true })).toBeNull();
    // A modal is of one person.
    expect(messageOf({ type: 'view', view_id: 'V1' })).toBeNull();
  });

  it.each([undefined, null, {}, { type: 'message' }, { type: 'message', is_ephemeral: 'true' }])(
    'is refused when Slack does not say it: %j',
    (container) => {
      expect(() => messageOf(container)).toThrow(Refusal);
    },
  );
});

describe('the metadata of a preview', () => {
  const about: Asked = {
    ask: { profile: 'debug', target: { namespace: 'staging' }, duration: null, reason: 'why "not"' },
    digest: DIGEST,
  };

  it('comes back as it went', () => {
    const workload = { kind: 'Deployment', name: 'checkout' } as const;
    for (const target of [{}, { workload }, { service: 'checkout' }]) {
      const asked: Asked = { ...about, ask: { ...about.ask, target: { namespace: 'staging', ...target } } };
      expect(carriedAsked(carryAsked(asked))).toEqual(asked);
    }
  });

  it.each([
    '',
    '{}',
    JSON.stringify({ ...about, approved: true }),
    JSON.stringify({ ...about, digest: 'all' }),
    JSON.stringify({ ...about, ask: { ...about.ask, duration: -1 } }),
    JSON.stringify({ ...about, ask: { ...about.ask, profile: 'x'.repeat(301) } }),
    JSON.stringify({
      ...about,
      ask: { ...about.ask, target: { namespace: 'staging', workload: { kind: 'Node', name: 'n' } } },
    }),
    JSON.stringify({ ...about, ask: { ...about.ask, user: 'admin' } }),
  ])('%j is none of ours', (metadata) => {
    expect(() => carriedAsked(metadata)).toThrow(Refusal);
  });
});
