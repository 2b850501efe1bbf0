import { digestOf } from '../../src/domain/canonical.ts';
import type { Plan } from '../../src/domain/plan/plan.ts';
import { digestOfPlan as digest } from '../../src/domain/plan/plan.ts';
import { PLANT } from './crash.ts';

export * from '../../src/domain/plan/plan.ts';

/** Planted: an approval binds neither the policies around the target nor what a role allows, or it binds the list of connections too. */
export const digestOfPlan = (plan: Plan): string => {
  if (PLANT === 'deaf-digest') return digest({ ...plan, rules: [], surroundings: { policies: [], isolation: [] } });
  const { opens, closes, reaches } = plan.preview;
  return digestOf([digest(plan), opens, closes, reaches]);
};
