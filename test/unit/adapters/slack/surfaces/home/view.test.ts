import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { homeView } from '../../../../../../src/adapters/slack/surfaces/home/view.ts';
import type { Home, Listed, Offer } from '../../../../../../src/app/ports/use-cases.ts';
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
    const home = { ...NOTHING, everything: { entries, page: 1, pages: 2 } };
    expect(blocksText(blocksOf(home))).toContain('Everything (page 2 of 2)');
    expect(labels(home)).toEqual(['Request access', 'Refresh', 'Details', 'First page']);
    expect(blocksText(blocksOf(NOTHING))).not.toContain('Everything');
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
          everything: { entries: all.slice(0, 15), page: 0, pages: 7 },
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
