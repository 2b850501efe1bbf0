import { setTimeout as delay } from 'node:timers/promises';
import type { Answer, Delivery, DeliveryService } from './delivery.ts';
import type { Directory } from './directory.ts';
import type { Modals, View } from './modals.ts';
import type { People, Submitted } from './people.ts';
import type { AppConfig, Json, SlackMessage, Upstream } from './upstream.ts';
import type { WebApi } from './web-api.ts';

/** One exchange between Slack and the app, in the order in which they began. */
export interface LogEntry {
  /** Milliseconds since the epoch. */
  at: number;
  from: 'app' | 'slack';
  /** The Web API method (or `response_url`), or the kind of delivery. */
  what: string;
  detail: Json;
  answer?: unknown;
  /** The fault that this call met. */
  fault?: string;
}

/** What is left of an answer when it is neither undefined, null nor false. */
export type Found<T> = Exclude<T, undefined | null | false>;

/** Acts as people in Slack, sees what they see, and changes the workspace. Purely from Slack's side. */
export interface SlackControl extends People {
  /** Fills the modal on top and submits it. Values by action_id: a text, or the value or label of an option. */
  fillAndSubmit(user: string, values: Record<string, string | readonly string[]>): Promise<Submitted>;
  /** The modal on top of this person's screen. */
  modal(user: string): View | undefined;
  /** Everything in a channel that is not ephemeral: messages, thread replies, edits, with blocks and metadata. */
  messages(channel: string): Promise<SlackMessage[]>;
  /** Direct messages between the bot and this person. */
  dms(user: string): Promise<SlackMessage[]>;
  /** What only this person sees: answers to commands, refusals; of all channels, oldest first. */
  ephemerals(user: string): Promise<SlackMessage[]>;
  /**
   * Asks until the answer is neither undefined, null nor false; fails after `timeout` milliseconds (default 5000) with
   * the last error of `look` or what it last returned.
   */
  waitFor<T>(look: () => T | Promise<T>, options?: { timeout?: number; what?: string }): Promise<Found<T>>;
  /** All traffic between Slack and the app. */
  log(): readonly LogEntry[];
  /** What Slack has told the app, to look at or to send again. */
  deliveries(): readonly Delivery[];
  /** Sends the same envelope or signed request again, as Slack does when it missed the answer. */
  redeliver(delivery: Delivery): Promise<Answer>;
  /** Waits until the app has so many Socket Mode connections (default 1). */
  connected(count?: number): Promise<void>;
  /** Where Slack posts to while the app has no Socket Mode connection. */
  setRequestUrl(url: string | undefined): void;
  /** Asks the request URL for its certificate, as Slack does now and then; answers the status. */
  checkCertificate(): Promise<number>;
  /** Changes people, user groups and members of channels while the bot runs. */
  readonly directory: Directory;
  /** The bot token's scopes from now on; without one, its methods answer missing_scope. */
  setScopes(scopes: readonly string[]): void;
  scopes(): readonly string[];
}

export function controlClient(options: {
  app: AppConfig;
  directory: Directory;
  people: People;
  modals: Modals;
  upstream: Upstream;
  delivery: DeliveryService;
  api: WebApi;
  entries: LogEntry[];
}): SlackControl {
  const { directory, people, modals, upstream, delivery, api, entries } = options;
  const waitFor = async <T>(
    look: () => T | Promise<T>,
    { timeout = 5000, what = 'the condition' }: { timeout?: number; what?: string } = {},
  ): Promise<Found<T>> => {
    const deadline = Date.now() + timeout;
    for (;;) {
      let last: unknown;
      try {
        const found = await look();
        if (found !== undefined && found !== null && found !== false) return found as Found<T>;
        last = found;
      } catch (error) {
        last = error;
      }
      if (Date.now() > deadline) {
        const cause = last instanceof Error ? last : undefined;
        throw new Error(`waited ${timeout} ms in vain for ${what}: ${cause?.message ?? String(last)}`, { cause });
      }
      await delay(20);
    }
  };

  return {
    ...people,
    directory,
    waitFor,
    async fillAndSubmit(user, values) {
      for (const [action, value] of Object.entries(values)) await people.enter(user, action, value);
      return people.submit(user);
    },
    modal: (user) => modals.top(user),
    async messages(channel) {
      const all = await upstream.messages(channel);
      return all.filter((message) => message.subtype !== 'ephemeral').map((message) => api.decorate(message));
    },
    async dms(user) {
      const direct = (await upstream.directMessages()).find((one) => one.user === user);
      if (!direct) return [];
      const all = await upstream.messages(direct.id);
      return all.filter((message) => message.subtype !== 'ephemeral').map((message) => api.decorate(message));
    },
    async ephemerals(user) {
      const all = await Promise.all((await people.places(user)).map((place) => people.visible(user, place)));
      const mine = all.flat().filter((message) => message.ephemeral_to === user);
      return mine.sort((a, b) => (a.ts < b.ts ? -1 : 1));
    },
    log: () => entries,
    deliveries: () => delivery.deliveries,
    redeliver: (one) => delivery.redeliver(one),
    async connected(count = 1) {
      await waitFor(() => delivery.connections >= count, { timeout: 15_000, what: `${count} Socket Mode connections` });
    },
    setRequestUrl: (url) => delivery.setRequestUrl(url),
    checkCertificate: () => delivery.checkCertificate(),
    setScopes: (scopes) => api.setScopes(scopes),
    scopes: () => api.scopes(),
  };
}
