import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  describeMissing,
  EVENTS,
  HOME_OPENED,
  missingScopes,
  SCOPES,
} from '../../../../src/adapters/slack/manifest.ts';
import { SHORTCUT } from '../../../../src/adapters/slack/surfaces/actions.ts';

const source = readFileSync(new URL('../../../../slack-app-manifest.yaml', import.meta.url), 'utf8');
const manifest = parse(source) as {
  display_information: { name: string; description: string };
  features: {
    shortcuts: { name: string; type: string; callback_id: string; description: string }[];
    app_home: { home_tab_enabled: boolean; messages_tab_enabled: boolean; messages_tab_read_only_enabled: boolean };
    slash_commands: { command: string; description: string; usage_hint: string; should_escape: boolean }[];
  };
  oauth_config: { scopes: { bot: string[] } };
  settings: {
    event_subscriptions: { bot_events: string[] };
    socket_mode_enabled: boolean;
    interactivity: { is_enabled: boolean };
  };
};

describe('slack-app-manifest.yaml', () => {
  it('asks for the scopes that the code needs, no more and no fewer, each with what it is for', () => {
    expect(manifest.oauth_config.scopes.bot.toSorted()).toEqual(SCOPES.map((scope) => scope.name).toSorted());
    const lines = source.split('\n').filter((line) => /^ {6}- [a-z:.]+/.test(line));
    for (const { name, purpose } of SCOPES) {
      const comment = lines.find((line) => line.trim().startsWith(`- ${name} `))?.split('# ')[1] ?? '';
      expect(comment).not.toBe('');
      expect(purpose.startsWith(comment)).toBe(true);
    }
  });

  it('hears the events that the code handles, no others, and asks for no scope for their sake alone', () => {
    expect(manifest.settings.event_subscriptions).toEqual({
      bot_events: [...EVENTS.map(({ name }) => name), HOME_OPENED],
    });
    for (const { name, scope } of EVENTS) {
      expect(manifest.oauth_config.scopes.bot).toContain(scope);
      expect(source).toContain(`- ${name} # ${scope}`);
    }
  });

  it('makes the command and the buttons work without a public address', () => {
    expect(manifest.features.slash_commands.map((c) => c.command)).toEqual(['/jit']);
    expect(manifest.settings).toMatchObject({ socket_mode_enabled: true, interactivity: { is_enabled: true } });
  });

  it('lets people type /jit where the bot writes to them', () => {
    // https://docs.slack.dev/reference/app-manifest: read-only, the composer of the direct messages is closed.
    expect(manifest.features.app_home).toMatchObject({
      messages_tab_enabled: true,
      messages_tab_read_only_enabled: false,
    });
  });

  it('has a Home, and a shortcut that opens the form from anywhere', () => {
    expect(manifest.features.app_home.home_tab_enabled).toBe(true);
    expect(manifest.features.shortcuts).toMatchObject([{ type: 'global', callback_id: SHORTCUT }]);
  });

  it('stays within the limits of Slack', () => {
    // https://docs.slack.dev/reference/app-manifest
    expect(manifest.display_information.name.length).toBeLessThanOrEqual(35);
    expect(manifest.display_information.description.length).toBeLessThanOrEqual(140);
    for (const { name, description } of manifest.features.shortcuts) {
      expect(name.length).toBeLessThanOrEqual(24);
      expect(description.length).toBeLessThanOrEqual(150);
    }
    for (const command of manifest.features.slash_commands) {
      expect(command.description.length).toBeLessThanOrEqual(2000);
      expect(command.usage_hint.length).toBeLessThanOrEqual(1000);
    }
  });
});

describe('missing scopes', () => {
  it('are named in one message, each with what it is for', () => {
    const all = SCOPES.map((scope) => scope.name);
    expect(missingScopes([...all, 'reactions:write'])).toEqual([]);
    const missing = missingScopes(all.filter((name) => name !== 'users:read.email' && name !== 'groups:read'));
    expect(missing.map((scope) => [scope.name, scope.necessary])).toEqual([
      ['users:read.email', true],
      ['groups:read', false],
    ]);
    expect(Object.values(describeMissing(missing)).join('. ')).toMatch(
      /users:read\.email \(the e-mail address.*groups:read \(members of private channels/,
    );
  });
});
