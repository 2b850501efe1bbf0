import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACTIONS,
  carriedAllToEnd,
  carriedPage,
  shownOfAll,
} from '../../../../../../src/adapters/slack/surfaces/actions.ts';
import { homeView } from '../../../../../../src/adapters/slack/surfaces/home/view.ts';
import type { Everything, Home, Listed, Offer } from '../../../../../../src/app/ports/use-cases.ts';
import { GRANT_STATES } from '../../../../../../src/domain/grant/grant.ts';
import {
  type Block,
  blocksText,
  controls,
  homeErrors,
  isTooLarge,
} from '../../../../../../src/sandbox/slack/blockkit.ts';
import { sampleView } from '../../../../../support/views.ts';

const NOW = Date.UTC(2026, 0, 5, 9);
const NOTHING: Home = {
  mine: [],
  waiting: [],
  more: false,
  offers: [],
  ended: [],
  unreviewed: [],
  everything: null,
  asOf: NOW,
};
const ALL: Everything = {
  which: {},
  entries: [],
  page: 0,
  pages: 1,
  listed: 0,
  count: 0,
  endable: 0,
  clusters: [],
};
const withAll = (all: Partial<Everything>): Home => ({ ...NOTHING, everything: { ...ALL, ...all } });
const OFFER: Offer = {
  profile: 'debug',
  cluster: null,
  description: 'Logs and a shell',
  scope: 'workload',
  rights: null,
  namespaces: ['staging'],
  defaultDuration: 1800,
  maximumDuration: 7200,
};
const listed = (change: Partial<Listed> = {}): Listed => ({ ...sampleView().grant, ...change });
const blocksOf = (home: Home, said?: string) => homeView(home, said).blocks as unknown as Block[];
const labels = (home: Home) =>
  controls(blocksOf(home)).map(({ element }) => (element.text as { text: string } | undefined)?.text);

describe('Home', () => {
  it('of nothing offers to ask', () => {
    expect(homeErrors(homeView(NOTHING))).toEqual([]);
    expect(labels(NOTHING)).toEqual(['Request access', 'Refresh']);
    expect(blocksText(blocksOf(NOTHING))).toContain('Nothing waits for you.');
  });

  it('has what is mine with the time left, what waits for me, and what I may ask for', () => {
    const active = sampleView({ state: 'active', expiresAt: NOW + 1_469_000, startsAt: NOW });
    const home: Home = {
      ...NOTHING,
      mine: [active],
      waiting: [sampleView()],
      offers: [OFFER],
      ended: [listed({ state: 'denied' })],
    };
    expect(homeErrors(homeView(home))).toEqual([]);
    const text = blocksText(blocksOf(home));
    for (const part of ['*24m left*', '`debug`  `Logs and a shell`', 'denied']) expect(text).toContain(part);
    expect(labels(home)).toEqual([
      'Request access',
      'Refresh',
      'Look and decide',
      'Details',
      'Extend',
      'Revoke',
      'Ask',
      'Ask again',
    ]);
  });

  it('says at its top what came of a button, as words', () => {
    const [first] = homeView(NOTHING, 'Withdrawn. <!channel>').blocks;
    expect(first).toMatchObject({ text: { type: 'plain_text', text: 'Withdrawn. <!channel>' } });
  });

  it('turns the pages of everything for administrators alone', () => {
    const entries = [listed({ state: 'active', expiresAt: NOW })];
    const home = withAll({ entries, page: 1, pages: 2, listed: 16, count: 16 });
    expect(blocksText(blocksOf(home))).toContain('Everything (page 2 of 2)');
    expect(blocksText(blocksOf(home))).toContain('16 are open or wait.');
    expect(labels(home)).toEqual(['Request access', 'Refresh', 'Filter', 'Details', 'First page']);
    expect(blocksText(blocksOf(NOTHING))).not.toContain('Everything');
    const many = withAll({ entries, pages: 100, listed: 1500, count: 4001 });
    expect(blocksText(blocksOf(many))).toContain('The first 1500 are listed: filter for the others.');
    expect(blocksText(blocksOf(withAll({})))).toContain('Nothing is open, and nothing waits.');
  });

  it('keeps the filter in each of its buttons and in itself, until it is cleared', () => {
    const which = { person: 'U0ADA', namespace: 'staging', cluster: 'eu' };
    const home = withAll({ which, entries: [listed()], page: 2, pages: 4, listed: 46, count: 46, endable: 3 });
    expect(homeErrors(homeView(home))).toEqual([]);
    expect(blocksText(blocksOf(home))).toContain('Only those of <@U0ADA> in namespace `staging` in cluster `eu`.');
    const values = Object.fromEntries(
      controls(blocksOf(home)).map(({ element }) => [
        (element.text as { text: string } | undefined)?.text ?? '',
        String(element.value),
      ]),
    );
    for (const [label, page] of [
      ['Refresh', 2],
      ['Filter', 2],
      ['Next page', 3],
    ] as const)
      expect(carriedPage(values[label])).toEqual({ page, which });
    expect(carriedPage(values['Clear filter'])).toEqual({ page: 0, which: {} });
    expect(carriedAllToEnd(values['End all of this person in this namespace'])).toEqual(which);
    expect(shownOfAll(homeView(home).private_metadata)).toEqual({ page: 2, which });
  });

  it('offers to end all of a person or in a namespace, and asks with how many and of whom', () => {
    const confirmOf = (all: Partial<Everything>) =>
      controls(blocksOf(withAll({ entries: [listed()], count: 3, endable: 2, ...all }))).find(
        ({ element }) => element.action_id === ACTIONS.homeEndAll,
      )?.element.confirm?.text.text;
    expect(confirmOf({ which: { person: 'U0ADA' } })).toBe(
      `This ends all 2 that are open or wait of ${sampleView().grant.requester.user}. The people concerned are told.`,
    );
    expect(confirmOf({ which: { namespace: 'staging' }, endable: 1 })).toBe(
      'This ends the 1 that is open or waits in namespace staging. The people concerned are told. What is for a whole cluster or a node stays.',
    );
    for (const which of [{}, { cluster: 'eu' }]) expect(confirmOf({ which })).toBeUndefined();
    expect(confirmOf({ which: { person: 'U0ADA' }, endable: 0 })).toBeUndefined();
  });

  it('says where nothing matches', () => {
    const home = withAll({ which: { namespace: 'staging' } });
    expect(blocksText(blocksOf(home))).toContain('Nothing that is open or waits matches.');
    expect(labels(home)).toEqual(['Request access', 'Refresh', 'Filter', 'Clear filter']);
  });

  it('is one that Slack takes, however much there is and whatever it is called', () => {
    const odd = fc.string({ unit: 'binary', maxLength: 400 });
    fc.assert(
      fc.property(fc.constantFrom(...GRANT_STATES), odd, fc.nat(60), (state, word, count) => {
        const change = { state, profile: word, reason: word, expiresAt: NOW, endedAt: NOW };
        const views = Array.from({ length: count }, () => sampleView(change, { extendable: 600 }));
        const all = Array.from({ length: count }, () => listed(change));
        const home: Home = {
          mine: views,
          waiting: views,
          more: true,
          offers: Array.from({ length: count }, () => ({
            ...OFFER,
            profile: word.slice(0, 63) || 'x',
            description: word,
          })),
          ended: all,
          unreviewed: all,
          everything: {
            ...ALL,
            which: { person: `U${'A'.repeat(20)}`, namespace: 'n'.repeat(63), cluster: 'c'.repeat(63) },
            entries: all.slice(0, 15),
            pages: 7,
            count,
            endable: count,
          },
          asOf: NOW,
        };
        const view = homeView(home, word);
        expect(homeErrors(view)).toEqual([]);
        expect(isTooLarge(view)).toBe(false);
      }),
      { numRuns: 40 },
    );
  });
});
