import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { envExample } from '../../../src/config/env-example.ts';
import { parseRedisUrl } from '../../../src/config/redis-url.ts';
import { describeProblems, environmentSchema, loadSettings, secretTexts } from '../../../src/config/settings.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const OTHER_KEY = Buffer.alloc(40, 9).toString('base64');
const good = {
  SLACK_BOT_TOKEN: 'xoxb-bot-token-1',
  SLACK_APP_TOKEN: 'xapp-app-token-1',
  REDIS_URL: 'redis://bot:hunter2@redis.example.test:6380/2',
  POLICY_FILE: '/etc/drawbridge/policy.yaml',
  SEAL_KEY: KEY,
};
const http = { ...good, SLACK_APP_TOKEN: '', SLACK_SIGNING_SECRET: '0123456789abcdef0123456789abcdef' };

function settingsOf(env: Record<string, string>) {
  const loaded = loadSettings(env);
  if (!loaded.ok) throw new Error(describeProblems(loaded.problems));
  return loaded.settings;
}

function problemsOf(env: Record<string, string | undefined>): readonly string[] {
  const loaded = loadSettings(env);
  return loaded.ok ? [] : loaded.problems;
}

describe('the settings', () => {
  it('have safe defaults', () => {
    expect(settingsOf(good)).toMatchObject({
      slack: { transport: { mode: 'socket' }, apiUrl: undefined },
      kubernetes: { kubeconfig: undefined, context: undefined },
      instance: 'default',
      opsPort: 9090,
      logLevel: 'info',
      workspacesNamespace: 'drawbridge-workspaces',
      nodesNamespace: 'drawbridge-nodes',
      workspacesPullSecrets: [],
      ownNamespace: 'drawbridge',
      auditWebhook: null,
      pagerDuty: null,
      jira: null,
    });
  });

  it('take every variable', () => {
    const settings = settingsOf({
      ...http,
      PORT: '8443',
      SLACK_API_URL: 'http://127.0.0.1:4000/api',
      KUBECONFIG: '/home/ada/.kube/config',
      KUBE_CONTEXT: 'kind',
      INSTANCE: 'blue',
      SEAL_KEY: `${KEY}, ${OTHER_KEY}`,
      OPS_PORT: '9999',
      LOG_LEVEL: 'debug',
      WORKSPACES_NAMESPACE: 'spaces',
      NODES_NAMESPACE: 'machines',
      WORKSPACES_PULL_SECRETS: 'registry,mirror.example',
      POD_NAMESPACE: 'access',
      PAGERDUTY_TOKEN: 'pagerduty-token-1',
      PAGERDUTY_URL: 'https://api.eu.pagerduty.com',
      JIRA_URL: 'https://example.atlassian.net',
      JIRA_USER: 'bot@example.test',
      JIRA_TOKEN: 'jira-token-1',
    });
    expect(settings).toMatchObject({
      slack: { transport: { mode: 'http', port: 8443 }, apiUrl: 'http://127.0.0.1:4000/api/' },
      kubernetes: { kubeconfig: '/home/ada/.kube/config', context: 'kind' },
      instance: 'blue',
      opsPort: 9999,
      logLevel: 'debug',
      workspacesPullSecrets: ['registry', 'mirror.example'],
      workspacesNamespace: 'spaces',
      nodesNamespace: 'machines',
      ownNamespace: 'access',
      pagerDuty: { url: 'https://api.eu.pagerduty.com' },
      jira: { url: 'https://example.atlassian.net', user: 'bot@example.test' },
    });
    expect(settings.pagerDuty?.token.reveal()).toBe('pagerduty-token-1');
    expect(settings.jira?.token.reveal()).toBe('jira-token-1');
    expect(settings.slack.botToken.reveal()).toBe(good.SLACK_BOT_TOKEN);
    expect(settings.redis.reveal()).toMatchObject({ kind: 'standalone', db: 2, password: 'hunter2' });
    expect(settings.sealKeys.reveal()).toEqual([Buffer.alloc(32, 7), Buffer.alloc(40, 9)]);
  });

  const wrong: [name: string, value: string, expected: RegExp][] = [
    ['SLACK_BOT_TOKEN', 'xoxp-user-token', /bot token, which begins with xoxb-/],
    ['SLACK_APP_TOKEN', 'xoxb-not-this', /app-level token, which begins with xapp-/],
    ['SLACK_API_URL', 'slack.com', /http or https URL/],
    ['SLACK_API_URL', 'ftp://slack.com', /http or https URL/],
    ['REDIS_URL', 'localhost:6379', /redis:\/\/.*redis\+sentinel:\/\/.*redis\+cluster:\/\//],
    ['INSTANCE', 'Blue', /DNS label/],
    ['INSTANCE', 'a'.repeat(64), /DNS label/],
    ['INSTANCE', '-a', /DNS label/],
    ['SEAL_KEY', Buffer.alloc(31).toString('base64'), /at least 32 bytes.*openssl rand/],
    ['AUDIT_WEBHOOK_URL', 'siem.example.test', /https URL/],
    ['AUDIT_WEBHOOK_URL', 'http://siem.example.test/in', /https URL/],
    ['AUDIT_WEBHOOK_URL', 'http://localhost.example.test/in', /https URL/],
    ['AUDIT_WEBHOOK_URL', 'ftp://siem.example.test', /https URL/],
    ['AUDIT_WEBHOOK_URL', 'https://user:password@siem.example.test', /without user and password/],
    ['SEAL_KEY', `${KEY},`, /base64/],
    ['SEAL_KEY', 'not base64 at all, but long enough to be', /base64/],
    ['PAGERDUTY_TOKEN', 'a b c d e f g', /without blanks/],
    ['PAGERDUTY_URL', 'http://api.pagerduty.com', /https URL/],
    ['OPS_PORT', '0', /1 to 65535/],
    ['OPS_PORT', '65536', /1 to 65535/],
    ['OPS_PORT', '80.5', /1 to 65535/],
    ['OPS_PORT', '0x50', /1 to 65535/],
    ['OPS_PORT', '-1', /1 to 65535/],
    ['PORT', 'http', /1 to 65535/],
    ['LOG_LEVEL', 'verbose', /trace, debug, info/],
    ['WORKSPACES_NAMESPACE', 'a.b', /DNS label/],
    ['POD_NAMESPACE', 'a_b', /DNS label/],
  ];
  it.each(wrong)('refuse %s=%s, saying what is expected', (name, value, expected) => {
    const problems = problemsOf({ ...good, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} `));
    expect(problems[0]).toMatch(expected);
  });

  it.each(['SLACK_BOT_TOKEN', 'REDIS_URL', 'POLICY_FILE', 'SEAL_KEY'])('demand %s; empty is unset', (name) => {
    for (const value of ['', '  ', undefined]) {
      const problems = problemsOf({ ...good, [name]: value });
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(new RegExp(`^${name} is not set: expected`));
    }
  });

  it('name the Secret that lacks a key, and of no other setting', () => {
    const { SEAL_KEY: _, POLICY_FILE: __, ...rest } = good;
    expect(problemsOf({ ...rest, SLACK_APP_TOKEN: '', SECRET_NAME: 'access/slack' })).toEqual([
      'POLICY_FILE is not set: expected the path of the policy file',
      expect.stringMatching(/^SEAL_KEY is not set in the Secret access\/slack: expected one or more base64 keys/),
      expect.stringMatching(/^SLACK_APP_TOKEN is not set in the Secret access\/slack: expected it \(Socket Mode\)/),
    ]);
    expect(problemsOf({ ...good, SEAL_KEY: 'short', SECRET_NAME: 'access/slack' }).join()).not.toContain('the Secret');
  });

  it('take an empty variable with a default as unset, not as zero or wrong', () => {
    const empty = { INSTANCE: '', OPS_PORT: '', LOG_LEVEL: '', KUBECONFIG: '', SLACK_API_URL: '' };
    expect(JSON.stringify(settingsOf({ ...good, ...empty }))).toBe(JSON.stringify(settingsOf(good)));
  });

  it('demand one of the two ways to hear from Slack', () => {
    expect(problemsOf({ ...good, SLACK_APP_TOKEN: '' }).join()).toMatch(/SLACK_APP_TOKEN.*SLACK_SIGNING_SECRET/);
    expect(problemsOf({ ...good, SLACK_SIGNING_SECRET: http.SLACK_SIGNING_SECRET }).join()).toMatch(/both set/);
  });

  it('hear from Slack in the mode that is set, and in no other because its secret happens to be there', () => {
    expect(settingsOf({ ...good, SLACK_MODE: 'socket' }).slack.transport.mode).toBe('socket');
    expect(settingsOf({ ...http, SLACK_MODE: 'http' }).slack.transport.mode).toBe('http');
    expect(problemsOf({ ...http, SLACK_MODE: 'socket', SECRET_NAME: 'access/slack' })).toEqual([
      'SLACK_APP_TOKEN is not set in the Secret access/slack: expected it, since SLACK_MODE is socket',
    ]);
    expect(problemsOf({ ...good, SLACK_MODE: 'http' })).toEqual([
      'SLACK_SIGNING_SECRET is not set: expected it, since SLACK_MODE is http',
    ]);
    expect(problemsOf({ ...good, SLACK_APP_TOKEN: '', SLACK_MODE: 'http' })).toHaveLength(1);
    expect(problemsOf({ ...good, SLACK_MODE: 'https' }).join()).toMatch(
      /^SLACK_MODE is 'https': expected socket or http$/,
    );
  });

  it('refuse one port for two servers', () => {
    expect(problemsOf({ ...http, PORT: '9090' }).join()).toMatch(/OPS_PORT is the same as PORT/);
  });

  it('name all problems in one message', () => {
    const problems = problemsOf({ SLACK_APP_TOKEN: 'xapp-1', OPS_PORT: 'x', LOG_LEVEL: 'x' });
    const message = describeProblems(problems);
    for (const name of ['SLACK_BOT_TOKEN', 'REDIS_URL', 'POLICY_FILE', 'SEAL_KEY', 'OPS_PORT', 'LOG_LEVEL'])
      expect(message).toContain(name);
  });

  it('print no secret when it is wrong', () => {
    const secrets = {
      SLACK_BOT_TOKEN: 'xoxq-hunter2',
      SLACK_APP_TOKEN: 'xapq-hunter2',
      SLACK_SIGNING_SECRET: 'hunter2',
      REDIS_URL: 'http://bot:hunter2@x',
      SEAL_KEY: 'hunter2',
    };
    const message = describeProblems(problemsOf({ ...good, ...secrets }));
    for (const name of Object.keys(secrets)) expect(message).toContain(name);
    expect(message).not.toContain('hunter2');
  });

  it('show no secret, however they are printed', () => {
    const secretValues = ['xoxb-bot-token-1', 'hunter2', 'xapp-app-token-1', '0123456789abcdef0123456789abcdef', KEY];
    for (const settings of [settingsOf(good), settingsOf(http)])
      for (const printed of [
        JSON.stringify(settings),
        inspect(settings, { depth: 20, showHidden: true }),
        [settings.slack.botToken, settings.redis, settings.sealKeys].map(String).join(),
        JSON.stringify({ ...settings }),
      ])
        for (const value of secretValues) expect(printed).not.toContain(value);
  });

  it('tell the log all values that it must hide', () => {
    const values = secretTexts(settingsOf(good));
    for (const value of ['xoxb-bot-token-1', 'xapp-app-token-1', 'hunter2', KEY, Buffer.alloc(32, 7).toString('hex')])
      expect(values).toContain(value);
    expect(secretTexts(settingsOf(http))).toContain(http.SLACK_SIGNING_SECRET);
  });

  it('hide the address of the audit webhook and its parts, which may be a token, and its secret', () => {
    const url = 'https://siem.example.test/services/T0123456789/token-4711?key=abcdefghijklmnop';
    const secret = 'a-secret-of-the-receiver';
    const settings = settingsOf({ ...good, AUDIT_WEBHOOK_URL: url, AUDIT_WEBHOOK_SECRET: secret });
    expect(settings.auditWebhook?.url.reveal()).toBe(url);
    expect(settings.auditWebhook?.secret?.reveal()).toBe(secret);
    expect(inspect(settings, { depth: 20, showHidden: true })).not.toMatch(/siem|4711|a-secret/);
    const values = secretTexts(settings);
    for (const value of [url, '/services/T0123456789/token-4711', '?key=abcdefghijklmnop', secret])
      expect(values).toContain(value);
    for (const local of ['http://localhost:8088/in', 'http://127.0.0.1/in', 'http://[::1]:1/in'])
      expect(problemsOf({ ...good, AUDIT_WEBHOOK_URL: local })).toEqual([]);
    expect(problemsOf({ ...good, AUDIT_WEBHOOK_URL: url, AUDIT_WEBHOOK_SECRET: 'short' }).join()).toMatch(
      /AUDIT_WEBHOOK_SECRET is wrong.*16 characters/,
    );
    expect(problemsOf({ ...good, AUDIT_WEBHOOK_SECRET: secret })).toEqual([
      'AUDIT_WEBHOOK_SECRET is set without AUDIT_WEBHOOK_URL: expected both, or none',
    ]);
    expect(problemsOf({ ...good, AUDIT_WEBHOOK_URL: 'https://u:p-4711@siem.example.test' }).join()).not.toContain(
      '4711',
    );
  });

  it('demand what Jira takes together, and hide its token and that of PagerDuty in each form', () => {
    const jira = {
      JIRA_URL: 'https://example.atlassian.net',
      JIRA_USER: 'bot@example.test',
      JIRA_TOKEN: 'jira-token-4711',
    };
    const tokens = { ...jira, PAGERDUTY_TOKEN: 'pagerduty-token-4711' };
    const { JIRA_USER: _, ...half } = jira;
    expect(problemsOf({ ...good, ...half })).toEqual([
      'JIRA_USER is not set: expected JIRA_URL, JIRA_USER, JIRA_TOKEN together, or none of them',
    ]);
    expect(problemsOf({ ...good, ...jira, JIRA_TOKEN: 'short 4711' }).join()).toMatch(
      /^JIRA_TOKEN is wrong \(its value is not shown\)/,
    );
    const settings = settingsOf({ ...good, ...tokens });
    expect(inspect(settings, { depth: 20, showHidden: true })).not.toContain('4711');
    const basic = Buffer.from('bot@example.test:jira-token-4711').toString('base64');
    expect(secretTexts(settings)).toEqual(expect.arrayContaining(['jira-token-4711', 'pagerduty-token-4711', basic]));
  });

  it('have an .env.example that is up to date, and describes each variable', async () => {
    const file = await readFile(new URL('../../../.env.example', import.meta.url), 'utf8');
    expect(file, 'run npm run env-example').toBe(envExample());
    for (const [name, schema] of Object.entries(environmentSchema.shape)) {
      expect(file).toMatch(new RegExp(`^#?${name}=`, 'm'));
      expect(schema.meta()?.description, name).toMatch(/\.$/);
    }
  });
});

describe('REDIS_URL', () => {
  const none = { username: undefined, password: undefined, db: 0, master: '', sentinelPassword: undefined, tls: false };
  it.each([
    ['redis://localhost', { ...none, kind: 'standalone', hosts: [{ host: 'localhost', port: 6379 }] }],
    ['redis://[::1]:7000/3', { ...none, kind: 'standalone', hosts: [{ host: '::1', port: 7000 }], db: 3 }],
    [
      'rediss://:p%40ss@r.example.test',
      { ...none, kind: 'standalone', tls: true, password: 'p@ss', hosts: [{ host: 'r.example.test', port: 6379 }] },
    ],
    [
      'redis+sentinel://u:p@s1,s2:26380/mymaster/1?sentinelPassword=q%26',
      {
        kind: 'sentinel',
        tls: false,
        username: 'u',
        password: 'p',
        hosts: [
          { host: 's1', port: 26_379 },
          { host: 's2', port: 26_380 },
        ],
        master: 'mymaster',
        db: 1,
        sentinelPassword: 'q&',
      },
    ],
    [
      'rediss+cluster://n1:7000,n2',
      {
        ...none,
        kind: 'cluster',
        tls: true,
        hosts: [
          { host: 'n1', port: 7000 },
          { host: 'n2', port: 6379 },
        ],
      },
    ],
  ])('%s is read', (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
  });

  it.each([
    '',
    'redis://',
    'redis://a,b',
    'redis://host:0',
    'redis://host:70000',
    'redis://host/x',
    'redis://host/1/2',
    'redis://host?db=1',
    'redis://ho st',
    'redis://u:%ZZ@host',
    'redis+sentinel://s1',
    'redis+sentinel://s1/m/x',
    'redis+cluster://n1/1',
    'redis+cluster://n1?sentinelPassword=x',
    'unix:///tmp/redis.sock',
    'http://host',
  ])('%s is refused', (url) => {
    expect(parseRedisUrl(url)).toBeNull();
  });
});
