export * from '../../src/app/plan/since-approval.ts';

/** Planted: what the named role of a grant allows is not looked at any more once it is approved. */
export const grownRules = async (): Promise<null> => null;
