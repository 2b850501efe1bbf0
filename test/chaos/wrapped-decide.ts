import type { decideReview as real } from '../../src/domain/decide.ts';

export * from '../../src/domain/decide.ts';

/** Planted: whoever presses Approve may. */
export const decideReview: typeof real = () => ({ allowed: true, rule: 'planted' });
