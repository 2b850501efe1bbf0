import { describe, expect, it } from 'vitest';
import { createLimits } from '../../../../src/sandbox/slack/limits.ts';

describe('the limits of the local Slack', () => {
  function limits(minute = 60_000) {
    let now = 1_000_000;
    const { take } = createLimits(minute, () => now);
    return {
      pass: (ms: number) => {
        now += ms;
      },
      take,
      /** How many calls pass at the same moment. */
      burst: (method: string, channel = '') => {
        let count = 0;
        while (take(method, channel) === null) count += 1;
        return count;
      },
    };
  }

  it.each([
    ['usergroups.users.list', 20],
    ['usergroups.list', 20],
    ['users.lookupByEmail', 50],
    ['users.info', 100],
    ['views.open', 100],
  ])('%s passes %i times a minute, each method by itself', (method, most) => {
    const { burst, take, pass } = limits();
    expect(burst(method)).toBe(most);
    expect(take(method, '')).toBe(60);
    expect(take('users.list', '')).toBeNull();
    pass(59_500);
    expect(take(method, '')).toBe(1);
    pass(501);
    expect(take(method, '')).toBeNull();
  });

  it('takes one message a second in a channel, and a short burst', () => {
    const { burst, pass, take } = limits();
    expect(burst('chat.postMessage', 'C1')).toBe(5);
    expect(burst('chat.postMessage', 'C2')).toBe(5);
    expect(take('chat.postMessage', 'C1')).toBe(5);
    pass(5001);
    expect(burst('chat.postMessage', 'C1')).toBe(5);
  });

  it('takes three hundred messages a minute in all channels together', () => {
    const { burst, pass, take } = limits();
    for (let n = 0; n < 60; n += 1) expect(burst('chat.postMessage', `C${n}`)).toBe(5);
    expect(take('chat.postMessage', 'C60')).toBe(60);
    pass(60_001);
    expect(take('chat.postMessage', 'C60')).toBeNull();
  });

  it('has a shorter minute where it is told so, with the same counts', () => {
    const { burst, pass } = limits(6000);
    expect(burst('usergroups.list')).toBe(20);
    pass(6001);
    expect(burst('usergroups.list')).toBe(20);
  });

  it('does not limit who only asks who it is', () => {
    const { take } = limits();
    for (let n = 0; n < 500; n += 1) expect(take('auth.test', '')).toBeNull();
  });
});
