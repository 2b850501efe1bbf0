// The page of one person: it draws what the server says this person sees, and tells it what this person does.

import { h, render } from './dom.js';

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const as = query.get('as');

let state = null;
/** The newest message when the page was loaded: what only this person saw until then goes with a reload, as in Slack's own client. */
let since = '';
let place = null;
let threadTs = null;
const seen = new Map();

/** Does something in the name of the person; what could not be done is shown. `button` is busy meanwhile. */
function act(what, button) {
  button?.classList.add('busy');
  perform(what)
    .catch((error) => toast(String(error)))
    .finally(() => button?.classList.remove('busy'));
}

async function perform(what) {
  const response = await fetch(`/page/act?as=${encodeURIComponent(as)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(what),
  });
  const { ok, error, result } = await response.json();
  if (!ok) toast(error);
  else if (result?.kind === 'failed') toast(`We had some trouble connecting. Try again? (${result.error})`);
  else if (result?.acked === false && what.type !== 'say') toast(`The app did not answer (${result.error}).`);
  // What is suggested changes nothing.
  if (what.type !== 'suggest') await refresh();
  return result;
}

function toast(text) {
  const box = $('toast');
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => {
    box.hidden = true;
  }, 6000);
}

// ---- text ----------------------------------------------------------------------------------------------------------

const EMOJI = Object.fromEntries(
  Object.entries({
    '🔒': 'lock',
    '🔓': 'unlock',
    '🔐': 'closed_lock_with_key',
    '🔑': 'key',
    '✅': 'white_check_mark',
    '✔️': 'heavy_check_mark',
    '❌': 'x',
    '⛔': 'no_entry',
    '🚫': 'no_entry_sign',
    '⚠️': 'warning',
    '🚨': 'rotating_light',
    '⏳': 'hourglass_flowing_sand',
    '⌛': 'hourglass',
    '⏰': 'alarm_clock',
    '⏱️': 'stopwatch',
    '🕐': 'clock1',
    '👍': '+1',
    '👎': '-1',
    '👀': 'eyes',
    '🎉': 'tada',
    '🚀': 'rocket',
    '🔥': 'fire',
    '🛑': 'octagonal_sign',
    '🧯': 'fire_extinguisher',
    '🔔': 'bell',
    '📌': 'pushpin',
    '📎': 'paperclip',
    '📝': 'memo',
    '📋': 'clipboard',
    '🔍': 'mag',
    '🔗': 'link',
    '🌐': 'globe_with_meridians',
    '🛡️': 'shield',
    '🏰': 'european_castle',
    '🚪': 'door',
    '🧱': 'bricks',
    '👤': 'bust_in_silhouette',
    '👥': 'busts_in_silhouette',
    '🤖': 'robot_face',
    '💥': 'boom',
    ℹ️: 'information_source',
    '❓': 'question',
    '❗': 'exclamation',
    '➡️': 'arrow_right',
    '⬅️': 'arrow_left',
    '🔁': 'repeat',
    '🔄': 'arrows_counterclockwise',
    '🟢': 'large_green_circle',
    '🟡': 'large_yellow_circle',
    '🔴': 'red_circle',
    '🟠': 'large_orange_circle',
    '🔵': 'large_blue_circle',
    '⚪': 'white_circle',
    '⚫': 'black_circle',
    '💡': 'bulb',
    '🔧': 'wrench',
    '🛠️': 'hammer_and_wrench',
    '⚙️': 'gear',
    '📦': 'package',
    '🗑️': 'wastebasket',
    '👋': 'wave',
    '🙂': 'slightly_smiling_face',
    '🏁': 'checkered_flag',
    '💬': 'speech_balloon',
    '🪪': 'identification_card',
  }).map(([sign, name]) => [name, sign]),
);

const unescaped = (text) => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const withEmoji = (text) => text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] ?? whole);

const MARKUP =
  /```([\s\S]+?)```|`([^`\n]+)`|<([^<>\n]+)>|(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])|(?<!\w)_(?=\S)([^_\n]+?)(?<=\S)_(?!\w)|(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])/g;

/** Slack's mrkdwn as nodes. https://docs.slack.dev/messaging/formatting-message-text */
function mrkdwn(text) {
  const nodes = [];
  let last = 0;
  const plain = (part) => {
    part.split('\n').forEach((line, index) => {
      if (index > 0) nodes.push(h('br'));
      if (line !== '') nodes.push(withEmoji(unescaped(line)));
    });
  };
  for (const match of text.matchAll(MARKUP)) {
    plain(text.slice(last, match.index));
    last = match.index + match[0].length;
    // A block of code ends its line by itself.
    if (match[1] !== undefined && text[last] === '\n') last += 1;
    const [, pre, code, entity, bold, italic, struck] = match;
    if (pre !== undefined) nodes.push(h('pre', {}, unescaped(pre.replace(/^\n|\n$/g, ''))));
    else if (code !== undefined) nodes.push(h('code', {}, unescaped(code)));
    else if (entity !== undefined) nodes.push(reference(entity));
    else if (bold !== undefined) nodes.push(h('b', {}, mrkdwn(bold)));
    else if (italic !== undefined) nodes.push(h('i', {}, mrkdwn(italic)));
    else nodes.push(h('s', {}, mrkdwn(struck)));
  }
  plain(text.slice(last));
  return nodes;
}

/** Lines that begin with > are a quotation; the rest is as it is. */
function paragraphs(text) {
  const parts = text.split(/((?:^(?:>|&gt;) ?.*(?:\n|$))+)/m);
  return parts.flatMap((part) =>
    /^(>|&gt;)/.test(part)
      ? [h('blockquote', {}, mrkdwn(part.replace(/^(>|&gt;) ?/gm, '').replace(/\n$/, '')))]
      : mrkdwn(part.replace(/\n$/, '')),
  );
}

function reference(entity) {
  const [target, label] = entity.split('|');
  if (target.startsWith('@')) return h('span', { className: 'mention' }, `@${nameOf(target.slice(1))}`);
  if (target.startsWith('#')) {
    const name = label || state.places.find((one) => one.id === target.slice(1))?.name || target.slice(1);
    return h('span', { className: 'mention' }, `#${name}`);
  }
  if (target.startsWith('!subteam^')) {
    const group = state.groups.find((one) => one.id === target.slice('!subteam^'.length));
    return h('span', { className: 'mention' }, `@${group?.handle ?? 'group'}`);
  }
  if (target.startsWith('!date^')) return date(target.split('^'), label);
  if (target.startsWith('!')) return h('span', { className: 'mention' }, `@${target.slice(1)}`);
  if (/^(https?|mailto):/.test(target))
    return h(
      'a',
      { href: unescaped(target), target: '_blank', rel: 'noreferrer' },
      withEmoji(unescaped(label ?? target)),
    );
  return unescaped(`<${entity}>`);
}

function date([, seconds, format], fallback) {
  const when = new Date(Number(seconds) * 1000);
  if (Number.isNaN(when.getTime())) return unescaped(fallback ?? '');
  const day = (options) => when.toLocaleDateString('en-GB', options);
  const today = when.toDateString() === new Date().toDateString();
  const text = (format ?? '').replace(/\{(\w+)\}/g, (whole, token) => {
    if (token === 'time') return when.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
    if (token === 'time_secs') return when.toLocaleTimeString('en-GB');
    if (token.endsWith('_pretty') && today) return 'today';
    if (token.startsWith('date_short')) return day({ day: 'numeric', month: 'short', year: 'numeric' });
    if (token.startsWith('date_long')) return day({ weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
    if (token === 'date_num') return when.toISOString().slice(0, 10);
    if (token.startsWith('date')) return day({ day: 'numeric', month: 'long', year: 'numeric' });
    return whole;
  });
  return h('span', { className: 'date', title: when.toISOString() }, text);
}

const nameOf = (id) =>
  id === state.bot.id ? state.bot.name : (state.people.find((person) => person.id === id)?.name ?? id);

function rich(text) {
  if (!text) return [];
  if (text.type === 'mrkdwn') return paragraphs(text.text);
  return text.text.split('\n').flatMap((line, index) => [index > 0 && h('br'), withEmoji(line)]);
}

// ---- blocks --------------------------------------------------------------------------------------------------------

/** `use(block, element, input)` is called when somebody uses an element. */
function drawBlocks(blocks, use, values = {}, errors = {}) {
  return blocks.map((block) => {
    const key = block.block_id;
    const draw = (element) => drawElement(block, element, use, values[block.block_id]?.[element.action_id]);
    switch (block.type) {
      case 'section':
        return h(
          'div',
          { key, className: 'section' },
          h(
            'div',
            { className: 'grow' },
            block.text && h('div', { className: isFolded(block) ? 'folded' : '' }, rich(block.text)),
            isFolded(block) && h('button', { type: 'button', className: 'more', onclick: unfold }, 'See more'),
            block.fields &&
              h(
                'div',
                { className: 'fields' },
                block.fields.map((field) => h('div', {}, rich(field))),
              ),
          ),
          block.accessory && h('div', {}, draw(block.accessory)),
        );
      case 'header':
        return h('h3', { key }, rich(block.text));
      case 'divider':
        return h('hr', { key });
      case 'context':
        return h(
          'div',
          { key, className: 'context' },
          block.elements.map((one) => h('span', {}, one.type === 'image' ? one.alt_text : rich(one))),
        );
      case 'actions':
        return h('div', { key, className: 'actions' }, block.elements.map(draw));
      case 'input':
        return h(
          // A label is of the first thing in it: of several boxes to tick it would tick that one.
          ...(TICKED.has(block.element.type)
            ? ['div', { key, role: 'group', 'aria-label': block.label.text, className: inputClass(block, errors) }]
            : ['label', { key, className: inputClass(block, errors) }]),
          h('span', { className: 'label' }, rich(block.label), block.optional && h('em', {}, ' (optional)')),
          draw(block.element),
          errors[block.block_id] && h('span', { className: 'error' }, errors[block.block_id]),
          block.hint && h('span', { className: 'hint' }, rich(block.hint)),
        );
      case 'image':
        return h('div', { key, className: 'context' }, `[image: ${block.alt_text}]`);
      default:
        return h('div', { key, className: 'context' }, `[${block.type}]`);
    }
  });
}

const TICKED = new Set(['radio_buttons', 'checkboxes', 'multi_static_select']);
const inputClass = (block, errors) => `input ${errors[block.block_id] ? 'wrong' : ''}`;

/** Slack folds what is long unless it is told not to; where, it does not say: about here. */
const isFolded = ({ text, expand }) =>
  !expand && text !== undefined && (text.text.length > 700 || text.text.split('\n').length > 8);

function unfold({ currentTarget }) {
  currentTarget.previousElementSibling.classList.remove('folded');
  currentTarget.hidden = true;
}

const optionsOf = (element) => element.options ?? (element.option_groups ?? []).flatMap((group) => group.options);

function drawElement(block, element, use, held) {
  const mark = {
    key: [element.type, block.block_id, element.action_id, element.value].join(' '),
    'data-block': block.block_id,
    'data-action': element.action_id,
    'data-type': element.type,
  };
  const tell = (input) => use(block, element, input);
  switch (element.type) {
    case 'button':
      if (element.url)
        return h(
          'a',
          { className: 'button', href: element.url, target: '_blank', rel: 'noreferrer' },
          rich(element.text),
        );
      return h(
        'button',
        {
          type: 'button',
          className: `button ${element.style ?? ''}`,
          ...mark,
          onclick: ({ currentTarget }) => {
            const go = () => use(block, element, undefined, currentTarget);
            if (element.confirm) confirmed(element.confirm, go);
            else go();
          },
        },
        rich(element.text),
      );
    case 'overflow':
    case 'static_select':
      return drawSelect(
        mark,
        (value, select) => {
          tell(value);
          // A menu holds nothing: the same may be picked again.
          if (element.type === 'overflow') select.value = '';
        },
        held?.selected_option?.value ?? element.initial_option?.value ?? '',
        element.placeholder?.text ?? (element.type === 'overflow' ? '⋯' : 'Select an option'),
        optionsOf(element).map((option) => ({ value: option.value, label: withEmoji(option.text.text) })),
      );
    case 'external_select':
      return drawSearch(mark, block, element, use, (held?.selected_option ?? element.initial_option)?.text.text ?? '');
    case 'radio_buttons':
    case 'checkboxes':
    case 'multi_static_select': {
      const one = element.type === 'radio_buttons';
      const chosen = new Set((one ? [held?.selected_option] : (held?.selected_options ?? [])).map((o) => o?.value));
      return h(
        'div',
        { className: 'choices', ...mark },
        optionsOf(element).map((option) => {
          const tick = h('input', {
            type: one ? 'radio' : 'checkbox',
            name: `${block.block_id}.${element.action_id}`,
            value: option.value,
            checked: chosen.has(option.value),
            onchange: ({ currentTarget }) => tell(entered(currentTarget.closest('.choices'))),
          });
          const description = option.description && h('small', {}, rich(option.description));
          return h('label', { key: option.value }, tick, h('span', {}, rich(option.text), description));
        }),
      );
    }
    case 'plain_text_input':
    case 'number_input':
    case 'datepicker':
      return h(element.multiline ? 'textarea' : 'input', {
        ...mark,
        ...(element.type === 'datepicker' ? { type: 'date' } : {}),
        value: held?.value ?? held?.selected_date ?? element.initial_value ?? '',
        placeholder: element.placeholder?.text ?? '',
        ...(element.type === 'datepicker' ? { onchange: (event) => tell(event.target.value) } : {}),
      });
    case 'datetimepicker':
      return h('input', {
        ...mark,
        type: 'datetime-local',
        value: held?.selected_date_time ? localMinute(held.selected_date_time) : '',
        onchange: ({ currentTarget }) => tell(entered(currentTarget)),
      });
    case 'users_select':
      return drawSelect(
        mark,
        tell,
        held?.selected_user ?? '',
        element.placeholder?.text ?? 'Select a person',
        state.people.map((person) => ({ value: person.id, label: person.name })),
      );
    default:
      return h('span', { className: 'context' }, `[${element.type}]`);
  }
}

function drawSelect(mark, tell, value, placeholder, options) {
  return h(
    'select',
    { ...mark, value, onchange: ({ currentTarget }) => tell(currentTarget.value, currentTarget) },
    [{ value: '', label: placeholder }, ...options].map((one) =>
      h('option', { key: one.value, value: one.value }, one.label),
    ),
  );
}

/** What is suggested for the field that is being typed into. */
let suggested = null;

/** A field that asks the app what it offers, with each letter; what is picked is put down at once. */
function drawSearch(mark, block, element, use, chosen) {
  const key = mark.key;
  const isOpen = suggested?.key === key;
  const ask = ({ currentTarget }) => {
    const typed = currentTarget.value === chosen ? '' : currentTarget.value;
    search(typed).catch((error) => toast(String(error)));
  };
  const search = async (typed) => {
    const view = { id: state.modal.id, callback_id: state.modal.callback_id };
    const answer = perform({ type: 'suggest', view, control: { block, element }, typed });
    // Answers may overtake each other: the one to what was typed last counts.
    const asked = { key, groups: isOpen ? suggested.groups : [] };
    suggested = asked;
    const result = await answer;
    if (suggested !== asked) return;
    suggested = { key, groups: result?.option_groups ?? [{ label: null, options: result?.options ?? [] }] };
    draw();
  };
  const pick = (option, field) => {
    suggested = null;
    // What was typed gives way to what is held.
    field.value = chosen;
    use(block, element, option.value, undefined, true);
  };
  return h(
    'div',
    { className: 'search', key },
    h('input', {
      ...mark,
      key: 'typed',
      role: 'combobox',
      autocomplete: 'off',
      value: chosen,
      placeholder: element.placeholder?.text ?? '',
      onfocus: (event) => {
        event.currentTarget.select();
        ask(event);
      },
      oninput: ask,
      onblur: ({ currentTarget }) => {
        // A click on an option comes first.
        setTimeout(() => {
          if (suggested?.key !== key) return;
          suggested = null;
          currentTarget.value = chosen;
          draw();
        }, 200);
      },
    }),
    isOpen &&
      h(
        'div',
        { className: 'options', role: 'listbox', key: 'options' },
        suggested.groups.flatMap((group) => [
          group.label && h('div', { className: 'group' }, rich(group.label)),
          ...group.options.map((option) =>
            h(
              'button',
              {
                type: 'button',
                role: 'option',
                key: option.value,
                // Before the field loses the focus.
                onmousedown: (event) => {
                  event.preventDefault();
                  pick(option, event.currentTarget.closest('.search').querySelector('input'));
                },
              },
              rich(option.text),
              option.description && h('small', {}, rich(option.description)),
            ),
          ),
        ]),
        suggested.groups.every((group) => group.options.length === 0) && h('div', { className: 'group' }, 'No results'),
      ),
  );
}

/** As the browser's own picker of a day and a time has it. */
function localMinute(seconds) {
  const when = new Date(seconds * 1000);
  return new Date(when.getTime() - when.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** What an element holds on the screen now. */
function entered(element) {
  if (element.dataset.type === 'datetimepicker')
    return element.value === '' ? '' : String(Math.floor(new Date(element.value).getTime() / 1000));
  if (!element.classList.contains('choices')) return element.value;
  const chosen = [...element.querySelectorAll('input:checked')].map((one) => one.value);
  return element.dataset.type === 'radio_buttons' ? (chosen[0] ?? '') : chosen;
}

function confirmed(dialog, go) {
  const box = $('confirm');
  const close = () => {
    box.hidden = true;
  };
  render(
    box,
    h(
      'div',
      { className: 'modal', role: 'alertdialog' },
      h('header', {}, h('h2', {}, rich(dialog.title))),
      h('div', { className: 'body' }, rich(dialog.text)),
      h(
        'footer',
        {},
        h('button', { type: 'button', className: 'button', onclick: close }, rich(dialog.deny)),
        h(
          'button',
          {
            type: 'button',
            className: `button ${dialog.style ?? 'primary'}`,
            onclick: () => {
              close();
              go();
            },
          },
          rich(dialog.confirm),
        ),
      ),
    ),
  );
  box.hidden = false;
}

// ---- the parts of the page -----------------------------------------------------------------------------------------

function drawSide() {
  const item = (one) => {
    const fresh = one.messages.filter(
      (message) => message.user !== state.me && message.ts > (seen.get(one.id) ?? ''),
    ).length;
    const sign = { public: '#', private: '⊘', direct: '' }[one.kind];
    return h(
      'button',
      {
        key: one.id,
        type: 'button',
        className: `place ${one.id === place ? 'here' : ''} ${fresh ? 'fresh' : ''}`,
        onclick: () => go(one.id),
      },
      h('span', {}, `${sign} ${one.name}`.trim(), one.kind === 'direct' && h('span', { className: 'app' }, 'APP')),
      fresh > 0 && one.id !== place && h('span', { className: 'count' }, String(fresh)),
    );
  };
  const actors = h(
    'select',
    {
      'aria-label': 'Acting as',
      value: state.actors.find((one) => one.id === state.me)?.handle,
      onchange: (event) => {
        location.search = `?as=${encodeURIComponent(event.target.value)}`;
      },
    },
    state.actors.map((one) => h('option', { key: one.handle, value: one.handle }, one.name)),
  );
  render(
    $('side'),
    h('h1', {}, state.team),
    h('h2', {}, 'Channels'),
    ...state.places.filter((one) => one.kind !== 'direct').map(item),
    h('h2', {}, 'Apps'),
    ...state.places.filter((one) => one.kind === 'direct').map(item),
    h(
      'button',
      {
        key: HOME,
        type: 'button',
        className: `tool ${place === HOME ? 'here' : ''}`,
        onclick: () => {
          go(HOME);
          act({ type: 'home' });
        },
      },
      h('span', {}, `${state.bot.name} Home`),
    ),
    h(
      'button',
      {
        key: 'shortcut',
        type: 'button',
        className: 'tool',
        onclick: ({ currentTarget }) => act({ type: 'shortcut', callback_id: 'drawbridge.request' }, currentTarget),
      },
      h('span', {}, '⚡ Request access'),
    ),
    h('div', { className: 'spring' }),
    h('label', { className: 'actor' }, 'Acting as', actors),
  );
}

function go(id, thread = null) {
  place = id;
  threadTs = thread;
  draw();
  $('text').focus();
}

function drawMessage(message, channel, replies) {
  const bot = message.bot_id !== undefined;
  const name = message.username ?? nameOf(message.user);
  const when = new Date(Number(message.ts.split('.')[0]) * 1000);
  const use = (block, element, option, button) =>
    act({ type: 'click', channel: channel.id, ts: message.ts, control: { block, element }, option }, button);
  const content = message.blocks?.length ? drawBlocks(message.blocks, use) : h('div', {}, paragraphs(message.text));
  return h(
    'article',
    { key: message.ts, className: message.ephemeral_to ? 'ephemeral' : '', 'data-ts': message.ts },
    h('div', { className: `face ${bot ? 'bot' : ''}`, style: `--hue: ${hue(name)}` }, bot ? '' : initials(name)),
    h(
      'div',
      { className: 'grow' },
      h(
        'div',
        { className: 'who' },
        h('b', {}, name),
        bot && h('span', { className: 'app' }, 'APP'),
        h(
          'time',
          { title: when.toISOString() },
          when.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' }),
        ),
      ),
      message.ephemeral_to && h('div', { className: 'only' }, 'Only visible to you'),
      replies && message.subtype === 'thread_broadcast' && h('div', { className: 'only' }, 'replied to a thread'),
      content,
      message.edited && !message.blocks?.length && h('small', {}, '(edited)'),
      replies?.length > 0 &&
        h(
          'button',
          {
            type: 'button',
            className: 'replies',
            onclick: () => {
              threadTs = message.ts;
              draw();
            },
          },
          `${replies.length} ${replies.length === 1 ? 'reply' : 'replies'}`,
        ),
    ),
  );
}

const initials = (name) =>
  name
    .split(/\s+/)
    .map((part) => part[0] ?? '')
    .join('')
    .slice(0, 2)
    .toUpperCase();
const hue = (name) => [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);

/** The Home of the app, in the place of a channel. */
const HOME = '@home';

function drawHome() {
  const use = (block, element, input, button) => act({ type: 'press-home', control: { block, element } }, button);
  render($('title'), h('h2', {}, `${state.bot.name} Home`));
  render(
    $('messages'),
    h(
      'article',
      { key: HOME, className: 'home' },
      h('div', { className: 'grow' }, state.home ? drawBlocks(state.home.blocks, use) : 'Nothing here yet.'),
    ),
  );
  $('thread').hidden = true;
}

function drawMain() {
  $('composer').hidden = place === HOME;
  if (place === HOME) {
    drawHome();
    return;
  }
  const channel = state.places.find((one) => one.id === place);
  const isReply = (message) => message.thread_ts && message.thread_ts !== message.ts;
  const isBroadcast = (message) => message.subtype === 'thread_broadcast';
  const roots = channel.messages.filter((message) => !isReply(message) || isBroadcast(message));
  const repliesTo = (ts) => channel.messages.filter((message) => isReply(message) && message.thread_ts === ts);
  seen.set(channel.id, channel.messages.at(-1)?.ts ?? '');

  render(
    $('title'),
    h('h2', {}, channel.kind === 'direct' ? channel.name : `# ${channel.name}`),
    h(
      'span',
      { className: `status ${state.bot.way ? 'on' : ''}` },
      state.bot.way ? `app connected (${state.bot.way})` : 'app not connected',
    ),
  );
  $('text').placeholder = `Message ${channel.kind === 'direct' ? channel.name : `#${channel.name}`}, or type /jit`;
  drawList(
    $('messages'),
    place,
    roots,
    roots.map((message) => drawMessage(message, channel, repliesTo(message.ts))),
  );
  drawThread(channel, repliesTo);
}

/** A list of messages, the newest last; it is followed to its end by whoever is there, and for an answer to this person alone. */
function drawList(list, name, messages, drawn) {
  const newest = messages.at(-1);
  const isNew = newest?.ts !== list.dataset.newest;
  const wasAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const isAnswer = newest?.ephemeral_to !== undefined || newest?.user === state.me;
  render(list, drawn);
  if (list.dataset.name !== name || wasAtEnd || (isNew && isAnswer)) list.scrollTop = list.scrollHeight;
  list.dataset.name = name;
  list.dataset.newest = newest?.ts ?? '';
}

function drawThread(channel, repliesTo) {
  const root = channel.messages.find((message) => message.ts === threadTs);
  $('thread').hidden = !root;
  if (!root) return;
  const messages = [root, ...repliesTo(root.ts)];
  if ($('replies').dataset.name !== root.ts) $('reply').value = '';
  drawList(
    $('replies'),
    root.ts,
    messages,
    messages.map((message) => drawMessage(message, channel)),
  );
}

function drawModal() {
  const overlay = $('overlay');
  const view = state.modal;
  overlay.hidden = !view;
  if (!view) {
    render(overlay);
    return;
  }
  const values = () =>
    [...overlay.querySelectorAll('[data-action]')]
      .filter((element) => !['button', 'overflow'].includes(element.dataset.type))
      .map((element) => ({
        block_id: element.dataset.block,
        action_id: element.dataset.action,
        input: entered(element),
      }));
  const shown = { id: view.id, callback_id: view.callback_id };
  const use = (block, element, input, button, isPicked = false) => {
    const control = { block, element };
    if (element.type === 'button') act({ type: 'press', view: shown, control, values: values() }, button);
    else if (block.type !== 'input' || block.dispatch_action || isPicked)
      act({ type: 'enter', view: shown, control, input, values: values() });
  };
  const submit = (event) => {
    event.preventDefault();
    const button = event.currentTarget.querySelector('.submit');
    // Pressed twice, it is sent once.
    if (!button.classList.contains('busy')) act({ type: 'submit', view: shown, values: values() }, button);
  };
  render(
    overlay,
    h(
      'form',
      {
        // Another step in the same place is another form: what was begun on the one is not done on the other.
        key: [view.id, view.callback_id].join(' '),
        className: 'modal',
        role: 'dialog',
        'aria-label': view.title.text,
        noValidate: true,
        onsubmit: submit,
      },
      h(
        'header',
        {},
        h('h2', {}, rich(view.title)),
        h('button', { type: 'button', className: 'close', 'aria-label': 'Close', onclick: closeModal }, '×'),
      ),
      h('div', { className: 'body' }, drawBlocks(view.blocks, use, view.state.values, state.errors)),
      h(
        'footer',
        {},
        h(
          'button',
          { key: 'close', type: 'button', className: 'button', onclick: closeModal },
          view.close ? rich(view.close) : 'Cancel',
        ),
        view.submit && h('button', { key: 'submit', className: 'button primary submit' }, rich(view.submit)),
      ),
    ),
  );
}

const closeModal = () => act({ type: 'close', view: { id: state.modal.id } });

function draw() {
  drawMain();
  drawSide();
  drawModal();
  document.title = `${state.team}: ${nameOf(state.me)}`;
}

/** The element on which a press has begun: what is pressed stays as it is until it is let go. */
let pressed = null;

for (const type of ['pointerdown', 'keydown'])
  document.addEventListener(
    type,
    (event) => {
      const isPress = type === 'pointerdown' || event.key === ' ';
      pressed = (isPress && event.target.closest?.('button, a')) || null;
    },
    true,
  );
for (const type of ['pointerup', 'pointercancel', 'keyup', 'blur', 'dragend'])
  window.addEventListener(type, () => {
    if (pressed === null) return;
    pressed = null;
    // After the click, which comes next.
    setTimeout(draw);
  });

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if (!$('confirm').hidden) $('confirm').hidden = true;
  else if (state.modal) closeModal();
  else if (threadTs !== null) go(place);
});

let looking = null;
let outdated = false;

/** Looks at what there is, and draws it. One look at a time: an older answer is never drawn over a newer one. */
function refresh() {
  outdated = true;
  looking ??= look();
  return looking;
}

async function look() {
  try {
    while (outdated) await lookOnce();
  } finally {
    looking = null;
  }
}

async function lookOnce() {
  outdated = false;
  const response = await fetch(`/page/state?as=${encodeURIComponent(as)}&since=${since}`);
  if (!response.ok) return choose();
  state = await response.json();
  since ||= state.newest;
  if (place !== HOME && !state.places.some((one) => one.id === place)) {
    const [, wanted] = /^\/archives\/([^/]+)/.exec(location.pathname) ?? [];
    place = (state.places.find((one) => one.id === wanted) ?? state.places[0]).id;
    for (const one of state.places) seen.set(one.id, one.messages.at(-1)?.ts ?? '');
  }
  if (pressed === null) draw();
}

/** Nobody is named in the address: everybody is offered. */
async function choose() {
  const { team, actors } = await (await fetch('/page/people')).json();
  const link = (one) => {
    const url = new URL(location.href);
    url.searchParams.set('as', one.handle);
    return h('li', {}, h('a', { href: url.href }, one.name));
  };
  render(
    document.body,
    h(
      'div',
      { className: 'choose' },
      h('h1', {}, team),
      h('p', {}, 'Who are you today?'),
      h('ul', {}, actors.map(link)),
    ),
  );
}

/** Sends what was typed into a message box, and empties it. */
function sayFrom(form, where) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const input = form.querySelector('input');
    const text = input.value.trim();
    input.value = '';
    if (text) act({ type: 'say', text, ...where() });
  });
}
sayFrom($('composer'), () => ({ channel: place }));
sayFrom($('answer'), () => ({ channel: place, thread_ts: threadTs }));
$('close').addEventListener('click', () => go(place));

// Changes come in bursts: one look for all of them.
let due = null;
new EventSource('/page/events').addEventListener('message', () => {
  due ??= setTimeout(() => {
    due = null;
    refresh().catch((error) => toast(String(error)));
  }, 30);
});
