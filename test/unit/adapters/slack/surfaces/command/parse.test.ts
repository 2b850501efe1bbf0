import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  COMMANDS,
  type CommandName,
  nearestCommand,
  parseCommand,
  parseTarget,
} from '../../../../../../src/adapters/slack/surfaces/command/parse.ts';

const CHECKOUT = { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } };

describe('parseCommand', () => {
  it.each([
    ['', { kind: 'modal' }],
    ['   ', { kind: 'modal' }],
    ['list', { kind: 'list', page: null }],
    ['LIST', { kind: 'list', page: null }],
    ['status G-7K3FQ2', { kind: 'status', id: 'g-7k3fq2' }],
    ['approve g-7k3fq2', { kind: 'approve', id: 'g-7k3fq2', note: '' }],
    ['deny g-7k3fq2 not   today', { kind: 'deny', id: 'g-7k3fq2', note: 'not today' }],
    ['revoke g-7k3fq2 done', { kind: 'revoke', id: 'g-7k3fq2', note: 'done' }],
    ['extend g-7k3fq2 1h30m', { kind: 'extend', id: 'g-7k3fq2', seconds: 5400 }],
    ['who staging', { kind: 'who', namespace: 'staging' }],
    ['who prod-eu:staging', { kind: 'who', cluster: 'prod-eu', namespace: 'staging' }],
    ['help', { kind: 'help', topic: null, unknown: null, nearest: null }],
    ['help request', { kind: 'help', topic: 'request', unknown: null, nearest: null }],
    ['help exted', { kind: 'help', topic: null, unknown: 'exted', nearest: 'extend' }],
    ['aprove g-7k3fq2', { kind: 'help', topic: null, unknown: 'aprove', nearest: 'approve' }],
    ['--help', { kind: 'help', topic: null, unknown: null, nearest: null }],
    ['-h', { kind: 'help', topic: null, unknown: null, nearest: null }],
    ['request --help', { kind: 'help', topic: 'request', unknown: null, nearest: null }],
    ['ls', { kind: 'list', page: null }],
    ['withdraw g-7k3fq2 not needed', { kind: 'revoke', id: 'g-7k3fq2', note: 'not needed' }],
    ['Cancel `g-7k3fq2`', { kind: 'revoke', id: 'g-7k3fq2', note: '' }],
    ['tea please', { kind: 'help', topic: null, unknown: 'tea', nearest: null }],
  ])('reads %j', (text, expected) => {
    expect(parseCommand(text)).toEqual(expected);
  });

  it.each([
    [
      'request debug staging/deploy/checkout 45m checkout returns 502',
      { profile: 'debug', target: CHECKOUT, duration: 2700, reason: 'checkout returns 502' },
    ],
    [
      'request debug staging/Deployment/checkout why not',
      { profile: 'debug', target: CHECKOUT, duration: null, reason: 'why not' },
    ],
    [
      'request troubleshoot staging/svc/checkout 45m checkout returns 502',
      {
        profile: 'troubleshoot',
        target: { namespace: 'staging', service: 'checkout' },
        duration: 2700,
        reason: 'checkout returns 502',
      },
    ],
    [
      'request debug:exec,Logs,exec staging/deploy/checkout 45m why not',
      { profile: 'debug', target: CHECKOUT, rights: ['logs', 'exec'], duration: 2700, reason: 'why not' },
    ],
    [
      'request Debug STAGING/Deploy/Checkout 45m case does not matter, Or Does It',
      { profile: 'debug', target: CHECKOUT, duration: 2700, reason: 'case does not matter, Or Does It' },
    ],
    [
      'request d\u0435bug st\u0430ging 45m letters that only look alike are others',
      {
        profile: 'd\u0435bug',
        target: { namespace: 'st\u0430ging' },
        duration: 2700,
        reason: 'letters that only look alike are others',
      },
    ],
    [
      // The sign for kelvin, of which lower case makes a k.
      'request too\u212A staging 45m kelvin',
      { profile: 'too\u212A', target: { namespace: 'staging' }, duration: 2700, reason: 'kelvin' },
    ],
    [
      'request logs staging 2h  look  at logs',
      { profile: 'logs', target: { namespace: 'staging' }, duration: 7200, reason: 'look at logs' },
    ],
    [
      'request logs staging minutes matter',
      { profile: 'logs', target: { namespace: 'staging' }, duration: null, reason: 'minutes matter' },
    ],
    [
      'debug staging/deploy/checkout 45m without the word request',
      { profile: 'debug', target: CHECKOUT, duration: 2700, reason: 'without the word request' },
    ],
    [
      'request debug staging/deploy/checkout 5mins quick look',
      { profile: 'debug', target: CHECKOUT, duration: 300, reason: 'quick look' },
    ],
    [
      'request `debug` “staging/deploy/checkout” “1 hour” why not',
      { profile: 'debug', target: CHECKOUT, duration: 3600, reason: 'why not' },
    ],
    [
      'request debug staging/deploy/checkout - slow for 30m',
      { profile: 'debug', target: CHECKOUT, duration: null, reason: 'slow for 30m' },
    ],
    [
      'request debug staging/deploy/checkout 5m slow for 30m',
      { profile: 'debug', target: CHECKOUT, duration: 300, reason: 'slow for 30m' },
    ],
  ])('reads the one-line form %j', (text, ask) => {
    expect(parseCommand(text)).toEqual({ kind: 'request', ask });
  });

  it.each(['30', '-5m', '0h', '0', '1.5h30m', '5minuts', '2h1h', '+5m'])(
    'refuses %j in the place of the duration, and states the form',
    (word) => {
      const parsed = parseCommand(`request debug staging ${word} it is slow`);
      expect(parsed).toMatchObject({ kind: 'wrong', topic: 'request' });
      expect(parsed).toHaveProperty('problem', expect.stringContaining(`'${word}' is not a duration`));
      expect(parsed).toHaveProperty('problem', expect.stringContaining('45m, 90s, 1h30m'));
    },
  );

  it.each([
    ['request', 'profile is missing'],
    ['request :logs staging why', 'profile is missing'],
    ['request debug: staging why', "'' is none of these rights: read, logs"],
    ['request debug:logs,exce staging why', "'exce' is none of these rights, did you mean 'exec'? There are read"],
    ['request debug:constructor staging why', "'constructor' is none of these rights: read"],
    ['request debug:logs:exec staging why', "'logs:exec' is none of these rights"],
    ['request debug', 'namespace is missing'],
    ['request debug staging', 'reason is needed'],
    ['request debug staging 45m', 'reason is needed'],
    ['request debug staging/checkout 45m x', 'is not a target'],
    ['request debug staging/cronjob/x 45m x', 'not a kind'],
    ['request debug staging/deploy/a/b 45m x', 'is not a target'],
    ['request debug staging/svc/ 45m x', 'is not a target'],
    ['request debug staging/ingress/x 45m x', 'deploy, sts, ds, job, po, svc'],
    ['request debug /deploy/a 45m x', 'names no namespace'],
    ['status', 'id is missing'],
    ['status 7k3fq2', 'is not an id'],
    ['approve <@U0ADA|ada>', "'@ada' is not an id"],
    ['extend g-7k3fq2', 'By how long'],
    ['extend g-7k3fq2 30', 'is not a duration'],
    ['extend g-7k3fq2 30m more', 'is not a duration'],
    ['list everything', 'takes nothing, or all'],
    ['list all 0', 'takes nothing, or all'],
    ['list all 1 2', 'takes nothing, or all'],
    ['again', 'id is missing'],
    ['who', 'one namespace'],
    ['who staging prod', 'one namespace'],
  ])('says what is wrong with %j', (text, problem) => {
    expect(parseCommand(text)).toMatchObject({ kind: 'wrong' });
    expect(parseCommand(text)).toHaveProperty('problem', expect.stringContaining(problem));
  });

  it.each([
    ['request', { profile: null, namespace: null }],
    ['request debug', { profile: 'debug', namespace: null }],
    ['request debug:logs,exec', { profile: 'debug', namespace: null, rights: ['logs', 'exec'] }],
    ['request debug staging', { profile: 'debug', namespace: 'staging', target: null, duration: null }],
    ['debug staging/svc/checkout 5mins', { namespace: 'staging', target: 'service/checkout', duration: '5m' }],
    ['request debug staging/deploy/checkout -', { target: 'deployment/checkout', duration: null }],
  ])('of a request that ends too early keeps what is understood: %j', (text, begun) => {
    expect(parseCommand(text)).toMatchObject({ kind: 'wrong', topic: 'request', begun });
  });

  it.each(['request debug staging/cm/x', 'request debug:admin staging', 'request debug staging 30 why', 'extend'])(
    'asks for nothing in a form where a word is wrong: %j',
    (text) => {
      expect(parseCommand(text)).toMatchObject({ kind: 'wrong' });
      expect(parseCommand(text)).not.toHaveProperty('begun');
    },
  );

  it.each([
    ['checkout is slow 2h', '2h', '2h checkout is slow', '- checkout is slow 2h'],
    ['slow for 30 min because', 'for 30 min', '30m slow because', '- slow for 30 min because'],
  ])('asks back what is meant by a duration that stands in the reason: %j', (reason, meant, window, words) => {
    const before = 'request debug staging/deploy/checkout';
    const parsed = parseCommand(`${before} ${reason}`);
    expect(parsed).toMatchObject({ kind: 'wrong', topic: 'request' });
    for (const part of [`'${meant}'`, `/jit ${before} ${window}`, `/jit ${before} ${words}`])
      expect(parsed).toHaveProperty('problem', expect.stringContaining(part));
    // Both can be typed as they stand.
    for (const line of [window, words]) expect(parseCommand(`${before} ${line}`)).toMatchObject({ kind: 'request' });
  });

  it('of break-glass stays with break-glass, whatever is asked back or missing', () => {
    const asked = parseCommand('break-glass debug staging/deploy/x it is slow for 20m because');
    expect(asked).toMatchObject({
      readings: {
        meant: { line: 'break-glass debug staging/deploy/x 20m it is slow because' },
        reason: { line: 'break-glass debug staging/deploy/x - it is slow for 20m because' },
      },
    });
    expect(asked).toHaveProperty('problem', expect.stringContaining('/jit break-glass debug staging/deploy/x 20m'));
    expect(parseCommand('break-glass debug staging')).toMatchObject({ kind: 'wrong', topic: 'break-glass' });
    expect(parseCommand('break-glass debug staging')).not.toHaveProperty('begun');
  });

  it('takes mentions and links for what was typed, and never resolves them', () => {
    const parsed = parseCommand(
      'request debug staging ask <@U0BEN|ben> in <#C0ACCESS|access>, see <http://wiki.test|wiki.test> &amp; &lt;!channel&gt;',
    );
    expect(parsed).toMatchObject({ ask: { reason: 'ask @ben in #access, see wiki.test & <!channel>' } });
  });

  it('leaves nothing invisible in what people wrote', () => {
    const parsed = parseCommand('deny g-7k3fq2 no\u202e\u200b\u0007pe\nApproved by Ben');
    expect(parsed).toMatchObject({ note: 'nope Approved by Ben' });
  });

  it('understands every example of its own help', () => {
    for (const name of Object.keys(COMMANDS) as CommandName[])
      expect(parseCommand(COMMANDS[name].example)).toMatchObject({ kind: name === 'break-glass' ? 'request' : name });
  });

  it.each<[string, number | null, object, string]>([
    ['45m from 22:00 the nightly run', 2700, { date: null, time: '22:00' }, 'the nightly run'],
    ['from 22:00 for 45m the nightly run', 2700, { date: null, time: '22:00' }, 'the nightly run'],
    ['- from tomorrow 8am the nightly run', null, { date: 1, time: '08:00' }, 'the nightly run'],
    ['from 2026-12-01 22:00 the nightly run', null, { date: '2026-12-01', time: '22:00' }, 'the nightly run'],
  ])('takes a later start: %s', (words, duration, start, reason) => {
    const parsed = parseCommand(`request debug staging/deploy/checkout ${words}`);
    expect(parsed).toMatchObject({ kind: 'request', ask: { duration, start, reason } });
  });

  it('a start that can not be read is asked back, and "from" in a reason stays there', () => {
    const line = (words: string) => parseCommand(`request debug staging/deploy/checkout ${words}`);
    expect(line('45m from tonight the nightly run')).toMatchObject({
      kind: 'wrong',
      problem: expect.stringMatching(/'from tonight' is not a start: expected `from 22:00`/),
    });
    expect(line('45m errors from 22:00 on')).toMatchObject({ ask: { reason: 'errors from 22:00 on' } });
    expect(line('45m at 22:00 the nightly run')).toMatchObject({
      problem: expect.stringMatching(/'at 22:00' is not a start: expected `from 22:00`/),
    });
    expect(line('45m a spike at 22:00')).toMatchObject({ ask: { reason: 'a spike at 22:00' } });
    expect(line('45m from the alert')).toMatchObject({ ask: { duration: 2700, reason: 'from the alert' } });
    // Both readings of a length in the reason keep the start.
    expect(line('from 22:00 slow for 30m')).toMatchObject({
      kind: 'wrong',
      problem: expect.stringContaining('/jit request debug staging/deploy/checkout from 22:00 30m slow'),
    });
  });

  it('a start at the end of a line is asked back, and each of both readings can be typed', () => {
    const before = 'request debug staging/deploy/checkout 45m';
    const parsed = parseCommand(`${before} the nightly run from tomorrow 22:00`);
    const readings = {
      meant: { line: `${before} from tomorrow 22:00 the nightly run`, says: 'It begins from tomorrow 22:00' },
      reason: { line: `${before} from now the nightly run from tomorrow 22:00` },
    };
    expect(parsed).toMatchObject({
      kind: 'wrong',
      problem: expect.stringContaining("'from tomorrow 22:00'"),
      readings,
    });
    expect(parseCommand(readings.meant.line)).toMatchObject({
      ask: { start: { date: 1, time: '22:00' }, reason: 'the nightly run' },
    });
    const atOnce = parseCommand(readings.reason.line);
    expect(atOnce).toMatchObject({ ask: { reason: 'the nightly run from tomorrow 22:00' } });
    expect(atOnce).not.toHaveProperty('ask.start');
    // How long is asked first, then from when.
    const both = parseCommand('request debug staging it is slow for 30m from 22:00');
    expect(both).toMatchObject({ readings: { meant: { line: 'request debug staging 30m it is slow from 22:00' } } });
    expect(parseCommand('request debug staging 30m it is slow from 22:00')).toMatchObject({
      readings: { meant: { line: 'request debug staging 30m from 22:00 it is slow' } },
    });
  });

  it('takes the name of a profile for a request, however little is said, and however near it is to a command', () => {
    const scopeOf = (name: string) => (name === 'view' ? 'namespace' : name === 'debug' ? 'workload' : null);
    expect(parseCommand('debug staging/deploy/checkout', scopeOf)).toMatchObject({
      kind: 'wrong',
      begun: { profile: 'debug', namespace: 'staging', target: 'deployment/checkout' },
    });
    expect(parseCommand('Debug:logs', scopeOf)).toMatchObject({
      kind: 'wrong',
      begun: { profile: 'debug', rights: ['logs'] },
    });
    expect(parseCommand('view staging 30m look', scopeOf)).toMatchObject({ kind: 'request', ask: { profile: 'view' } });
    expect(parseCommand('view staging 30m look')).toMatchObject({ kind: 'help', nearest: 'review' });
    expect(parseCommand('reviev', scopeOf)).toMatchObject({ kind: 'help', nearest: 'review' });
  });

  it('breaks the glass by its own word alone', () => {
    const line = 'debug staging/deploy/checkout 15m checkout is down';
    const target = { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } };
    const ask = { profile: 'debug', target, duration: 900, reason: 'checkout is down' };
    for (const word of ['break-glass', 'breakglass', 'Break-Glass'])
      expect(parseCommand(`${word} ${line}`)).toEqual({ kind: 'request', ask: { ...ask, breaksGlass: true } });
    expect(parseCommand(`request ${line}`)).toEqual({ kind: 'request', ask });
    expect(parseCommand('break-glass debug staging')).toMatchObject({ kind: 'wrong' });
  });

  it('takes a review with its verdict', () => {
    const id = 'g-7k3fq2';
    expect(parseCommand(`review ${id} accept`)).toEqual({ kind: 'review', id, verdict: 'accepted', note: '' });
    expect(parseCommand(`review ${id} Flag why so long`)).toEqual({
      kind: 'review',
      id,
      verdict: 'flagged',
      note: 'why so long',
    });
    expect(parseCommand(`review ${id} perhaps`)).toMatchObject({ kind: 'wrong', topic: 'review' });
  });

  it('never throws, and gives no id, duration or target that it was not given', () => {
    const word = fc.oneof(
      fc.constantFrom(
        ...Object.keys(COMMANDS),
        'g-7k3fq2',
        'staging',
        'staging/deploy/x',
        '45m',
        '30',
        '<@U1>',
        '&amp;',
      ),
      fc.string({ unit: 'grapheme' }),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (words) => {
        const parsed = parseCommand(words.join(' '));
        if ('id' in parsed) expect(words.join(' ').toLowerCase()).toContain(parsed.id);
        if (parsed.kind === 'extend') expect(parsed.seconds).toBeGreaterThan(0);
        if (parsed.kind === 'request') expect(parsed.ask.reason).not.toBe('');
      }),
    );
  });
});

describe('parseTarget', () => {
  it.each([
    ['sts', 'StatefulSet'],
    ['ds', 'DaemonSet'],
    ['job', 'Job'],
    ['pod', 'Pod'],
    ['deployments', 'Deployment'],
  ])('knows the kind %j', (word, kind) => {
    expect(parseTarget(`a/${word}/b`)).toEqual({ namespace: 'a', workload: { kind, name: 'b' } });
  });
});

describe('parseTarget of a Service', () => {
  it.each(['svc', 'service', 'services', 'Service'])('knows the word %j, and no workload by it', (word) => {
    expect(parseTarget(`a/${word}/b`)).toEqual({ namespace: 'a', service: 'b' });
  });
});

describe('nearestCommand', () => {
  it.each([
    ['revok', 'revoke'],
    ['reuqest', 'request'],
    ['stauts', 'status'],
    ['req', 'request'],
    ['hlep', 'help'],
    ['x', null],
    ['kubectl', null],
  ])('%j is probably %j', (word, nearest) => {
    expect(nearestCommand(word)).toBe(nearest);
  });
});

describe('a request of a profile that is for no namespace', () => {
  const scopes: Record<string, 'cluster' | 'node' | 'workload'> = {
    everywhere: 'cluster',
    disk: 'node',
    debug: 'workload',
  };
  const parse = (text: string) => parseCommand(text, (name) => scopes[name] ?? null);

  it.each([
    ['request everywhere 30m it is slow', { profile: 'everywhere', target: { scope: 'cluster' }, duration: 1800 }],
    ['everywhere 30m it is slow', { profile: 'everywhere', target: { scope: 'cluster' }, duration: 1800 }],
    ['request everywhere - it is slow', { profile: 'everywhere', target: { scope: 'cluster' }, duration: null }],
    ['request everywhere it is slow', { profile: 'everywhere', target: { scope: 'cluster' }, duration: null }],
    ['request disk worker-1.example.test 30m it is slow', { target: { scope: 'node', node: 'worker-1.example.test' } }],
    ['request disk node/worker-1 30m it is slow', { target: { scope: 'node', node: 'worker-1' } }],
    ['request disk no/worker-1 it is slow', { target: { scope: 'node', node: 'worker-1' }, duration: null }],
    ['request debug staging/deploy/checkout 30m it is slow', { target: CHECKOUT }],
    ['request unknown node/worker-1 it is slow', { target: { scope: 'node', node: 'worker-1' } }],
  ])('reads %j', (text, ask) => {
    expect(parse(text)).toMatchObject({ kind: 'request', ask: { ...ask, reason: 'it is slow' } });
  });

  it.each([
    [
      'request everywhere staging/deploy/checkout 30m it is slow',
      'is for the whole cluster, not for staging/deployment/checkout',
    ],
    ['request everywhere 30m', 'A reason is needed'],
    ['request everywhere', 'A reason is needed'],
    ['request disk', 'The node is missing'],
    ['request everywhere it was slow for 30m', 'Is '],
  ])('asks back for %j', (text, problem) => {
    expect(parse(text)).toMatchObject({ kind: 'wrong', problem: expect.stringContaining(problem) });
  });
});
