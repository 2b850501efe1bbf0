/** The same question is asked once. */
export function once<A extends readonly unknown[], T>(
  ask: (...about: A) => Promise<T>,
  key: (...about: A) => string,
): (...about: A) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (...about) => {
    const answer = answers.get(key(...about)) ?? ask(...about);
    answers.set(key(...about), answer);
    return answer;
  };
}
