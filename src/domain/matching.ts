/**
 * Places are filled with people, each person in one place: a maximum bipartite matching by augmenting paths, where the places of an earlier group are
 * filled before those of a later one. Answers, for each group, the indices of those who fill it; who fills no place is in none.
 * https://en.wikipedia.org/wiki/Maximum_cardinality_matching#Bipartite_graphs
 * @param groups how many places each has
 * @param people the groups that each may be in, by index
 */
export function assign(groups: readonly number[], people: readonly ReadonlySet<number>[]): number[][] {
  const placed = new Map<number, number>();
  /** Finds somebody for a place of this group, where need be by moving others to another group of theirs. */
  function fill(group: number, tried: Set<number>): boolean {
    for (const [person, may] of people.entries()) {
      if (!may.has(group) || tried.has(person) || placed.get(person) === group) continue;
      tried.add(person);
      const held = placed.get(person);
      if (held === undefined || fill(held, tried)) {
        placed.set(person, group);
        return true;
      }
    }
    return false;
  }
  for (const [group, places] of groups.entries())
    for (let place = 0; place < places && fill(group, new Set()); place++);
  return groups.map((_places, group) => [...placed].filter(([, held]) => held === group).map(([person]) => person));
}
