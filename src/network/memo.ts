/** Each pair of values is asked for once. */
export function onceForEach<A, B, V>(make: (a: A, b: B) => V): (a: A, b: B) => V {
  const known = new Map<A, Map<B, V>>();
  return (a, b) => {
    let values = known.get(a);
    if (!values) {
      values = new Map();
      known.set(a, values);
    }
    const found = values.get(b);
    if (found !== undefined) return found;
    const value = make(a, b);
    values.set(b, value);
    return value;
  };
}
