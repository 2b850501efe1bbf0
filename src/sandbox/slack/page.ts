import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Control, controls, type Element, enteredValue, type StateValue } from './blockkit.ts';
import type { DeliveryService } from './delivery.ts';
import type { Directory, Person } from './directory.ts';
import type { Modals } from './modals.ts';
import type { People, Shown } from './people.ts';
import type { AppConfig, SlackMessage, TeamConfig, Upstream } from './upstream.ts';
import type { WebApi } from './web-api.ts';

/**
 * The web page of the local Slack: one person's view (`/?as=ada`), live. local-slack brings a page of its own, which
 * knows one modal for everybody, shows each person the ephemeral messages of all, and sends nothing from selects in
 * modals.
 */
export interface Page {
  /** Answers everything that is not Slack's API. */
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: URLSearchParams,
    body: string,
  ): Promise<void>;
  /** Tells the open pages that something has changed. */
  changed(): void;
  stop(): void;
}

const FILES: Record<string, { file: string; type: string }> = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page/dom.js': { file: 'dom.js', type: 'text/javascript; charset=utf-8' },
  '/page/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/page/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
};

/** What the page asks for in the name of its person. Controls and views are as the page showed them: they may have changed since. */
type Act =
  | { type: 'say'; channel: string; text: string; thread_ts?: string }
  | { type: 'click'; channel: string; ts: string; control: Control; option?: string }
  | { type: 'enter'; view: Shown; control: Control; input: string | string[]; values: Entered[] }
  | { type: 'suggest'; view: Shown; control: Control; typed: string }
  | { type: 'press'; view: Shown; control: Control; values: Entered[] }
  | { type: 'home' }
  | { type: 'press-home'; control: Control }
  | { type: 'shortcut'; callback_id: string }
  | { type: 'submit'; view: Shown; values: Entered[] }
  | { type: 'close'; view: Shown };

interface Entered {
  block_id: string;
  action_id: string;
  input: string | string[];
}

export function createPage(options: {
  url: string;
  team: TeamConfig;
  app: AppConfig;
  directory: Directory;
  people: People;
  modals: Modals;
  delivery: DeliveryService;
  upstream: Upstream;
  api: WebApi;
}): Page {
  const { team, app, directory, people, modals, delivery, upstream, api } = options;
  const watchers = new Set<ServerResponse>();
  const { host } = new URL(options.url);
  const hosts = new Set([host, host.replace('127.0.0.1', 'localhost')]);

  const living = (): Person[] => directory.people().filter((person) => !person.is_bot && !person.deleted);

  const actors = () => living().map(({ id, name, real_name }) => ({ id, handle: name, name: real_name ?? name }));

  const actor = (as: string | null): Person | undefined =>
    living().find((person) => person.id === as || person.name === as);

  /**
   * `since`: the newest message (its `ts`) when the page was loaded, '' with the first state that it asks for. Slack's client forgets what only
   * one person saw until then.
   */
  const state = async (me: Person, since: string): Promise<unknown> => {
    const newest = { ts: since };
    const isThere = ({ ephemeral_to, ts }: SlackMessage): boolean => {
      if (Number(ts) > Number(newest.ts)) newest.ts = ts;
      return ephemeral_to === undefined || (since !== '' && Number(ts) > Number(since));
    };
    // The direct messages with the app are there from the start, as at Slack.
    await upstream.api('conversations.open', { users: me.id });
    const places = await Promise.all(
      (await people.places(me.id)).map(async (id) => {
        const channel = directory.channel(id);
        const kind = channel ? (channel.is_private ? 'private' : 'public') : 'direct';
        return {
          id,
          name: channel?.name ?? app.botName,
          kind,
          messages: (await people.visible(me.id, id)).filter(isThere).map((one) => api.shown(one)),
        };
      }),
    );
    return {
      team: team.name,
      me: me.id,
      bot: { id: app.botUserId, name: app.botName, way: delivery.way },
      people: directory.people().map(({ id, name, real_name }) => ({ id, name: real_name ?? name })),
      actors: actors(),
      groups: directory.groups().map(({ id, handle }) => ({ id, handle })),
      places,
      newest: newest.ts || '0',
      home: modals.home(me.id) ?? null,
      modal: modals.top(me.id) ?? null,
      depth: modals.stack(me.id).length,
      errors: people.errors(me.id),
    };
  };

  /** Puts down what has been typed, without telling the app. What is not asked for any more is left out. */
  const fill = (user: string, view: Shown, values: readonly Entered[]): void => {
    const top = modals.top(user);
    if (top?.id !== view.id) return;
    for (const { block_id, action_id, input } of values) {
      const control = controls(top.blocks).find(
        ({ block, element }) => block.block_id === block_id && element.action_id === action_id,
      );
      const value = control && offered(control.element, input);
      if (value) modals.enter(user, block_id, action_id, value);
    }
  };

  const act = async (user: string, what: Act): Promise<unknown> => {
    switch (what.type) {
      case 'say': {
        const [, command, text] = /^(\/\S+)\s*([\s\S]*)$/.exec(what.text) ?? [];
        return command === undefined
          ? people.say(user, what.channel, what.text, what.thread_ts)
          : people.command(user, what.channel, command, text);
      }
      case 'click':
        return people.click(user, what.channel, what.ts, what.control, what.option);
      case 'enter':
        fill(user, what.view, what.values);
        return people.enter(user, what.control, what.input, what.view);
      case 'suggest':
        return people.suggest(user, what.control, what.typed, what.view);
      case 'press':
        fill(user, what.view, what.values);
        return people.press(user, what.control, what.view);
      case 'home':
        return people.openHome(user);
      case 'press-home':
        return people.pressHome(user, what.control);
      case 'shortcut':
        return people.shortcut(user, what.callback_id);
      case 'submit':
        fill(user, what.view, what.values);
        return people.submit(user, what.view);
      case 'close':
        return people.close(user, what.view);
      default:
        throw new Error(`unknown action ${JSON.stringify(what satisfies never)}`);
    }
  };

  const json = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify(body));
  };

  return {
    changed() {
      for (const watcher of watchers) watcher.write('data: changed\n\n');
    },
    stop() {
      for (const watcher of watchers) watcher.end();
    },
    async handle(request, response, path, query, body) {
      // Another site that is open in the same browser must not act here: neither under a name of its own that leads
      // to this address, nor with a form (which can't say that it is JSON).
      if (!hosts.has(request.headers.host ?? '')) {
        response.writeHead(403).end();
        return;
      }
      const file = FILES[path.startsWith('/archives/') ? '/' : path];
      if (request.method === 'GET' && file) {
        const content = await readFile(new URL(`page/${file.file}`, import.meta.url));
        response.writeHead(200, {
          'content-type': file.type,
          'content-security-policy': "default-src 'self'; img-src 'self' data:",
          'cache-control': 'no-store',
        });
        response.end(content);
        return;
      }
      if (path === '/page/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
        response.write('data: hello\n\n');
        watchers.add(response);
        response.once('close', () => watchers.delete(response));
        return;
      }
      const me = actor(query.get('as'));
      if (path === '/page/people') {
        json(response, 200, { team: team.name, actors: actors() });
        return;
      }
      if (path === '/page/state' && me) {
        json(response, 200, await state(me, query.get('since') ?? ''));
        return;
      }
      if (path === '/page/act' && me && request.headers['content-type'] === 'application/json') {
        try {
          json(response, 200, { ok: true, result: await act(me.id, JSON.parse(body) as Act) });
        } catch (error) {
          json(response, 200, { ok: false, error: error instanceof Error ? error.message : String(error) });
        }
        return;
      }
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found');
    },
  };
}

/** What an element holds after this input; undefined where it is not offered any more. */
function offered(element: Element, input: string | string[]): StateValue | undefined {
  // What the app suggested was put down when it was picked.
  if (element.type === 'external_select') return undefined;
  try {
    return enteredValue(element, input);
  } catch {
    return undefined;
  }
}
