// Draws by changing what differs. An element that is still described stays the same element: it keeps its focus, its caret, what was typed
// into it, and a press that has begun on it.

/** What an element was drawn from, to know what differs. */
const drawn = new WeakMap();

/**
 * Describes an element; text is always text, never markup. `key` tells an element from its siblings when they come, go or move; without one
 * it is told by its place among those of its tag.
 */
export function h(tag, { key, ...props } = {}, ...children) {
  const shown = children.flat(9).filter((child) => child !== null && child !== undefined && child !== false);
  return { tag, key, props, children: shown };
}

/** Makes the children of `parent` those that are described. */
export function render(parent, ...children) {
  const wanted = named(children.flat(9), (one) => (typeof one === 'string' ? { tag: '#text' } : one));
  const present = named([...parent.childNodes], (node) => drawn.get(node) ?? { tag: node.nodeName });
  for (const [name, node] of present) if (!wanted.has(name)) node.remove();
  let next = parent.firstChild;
  for (const [name, description] of wanted) {
    const node = present.get(name) ?? made(description);
    // Nothing that stays in its order is taken out and put back: that would take its focus.
    if (node === next) next = node.nextSibling;
    else parent.insertBefore(node, next);
    update(node, description);
  }
}

/** Each by a name of its own: tag and key, or tag and place. */
function named(all, describe) {
  const counts = new Map();
  return new Map(
    all.map((one) => {
      const { tag, key } = describe(one);
      const kind = `${tag} ${key ?? ''}`;
      const count = counts.get(kind) ?? 0;
      counts.set(kind, count + 1);
      return [`${kind} ${count}`, one];
    }),
  );
}

function made(description) {
  return typeof description === 'string' ? document.createTextNode('') : document.createElement(description.tag);
}

/** What a person changes in an element. */
const ENTERED = ['value', 'checked'];

function update(node, description) {
  if (typeof description === 'string') {
    if (node.data !== description) node.data = description;
    return;
  }
  const { props, children } = description;
  const before = drawn.get(node)?.props ?? {};
  drawn.set(node, description);
  // Read before the options of a select change, which may change what it holds.
  const held = ENTERED.filter((name) => name in props).map((name) => {
    const isEdited = name in before && node[name] !== before[name];
    return [name, isEdited ? node[name] : props[name]];
  });
  for (const name of new Set([...Object.keys(before), ...Object.keys(props)]))
    if (props[name] !== before[name] && !ENTERED.includes(name)) set(node, name, props[name], before[name]);
  render(node, children);
  for (const [name, value] of held) {
    // Set again, the same value would still move the caret.
    if (node[name] !== value) node[name] = value;
    // A select that no longer offers what was chosen shows what is described.
    if (node[name] !== value) node[name] = props[name];
  }
}

function set(node, name, value, before) {
  if (name in node && name !== 'list') node[name] = value ?? { boolean: false, function: null }[typeof before] ?? '';
  else if (value === undefined || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? '' : value);
}
