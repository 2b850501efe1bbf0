import { inspect } from 'node:util';

/** A value that must not reach a log: only `reveal()` gives it; JSON, string and inspection give `[secret]`. */
export interface Secret<T> {
  reveal(): T;
  toString(): string;
  toJSON(): string;
}

const HIDDEN = '[secret]';

/** The value lives in a closure, so that no serializer that walks properties can find it. */
export function secret<T>(value: T): Secret<T> {
  const hidden = () => HIDDEN;
  return { reveal: () => value, toString: hidden, toJSON: hidden, [inspect.custom]: hidden } as Secret<T>;
}
