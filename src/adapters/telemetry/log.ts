import { type DestinationStream, type Logger, pino } from 'pino';
import { createSourcePositions } from './source-positions.ts';

export type Log = Logger;

/**
 * The log: one JSON object a line on stdout. Secrets are scrubbed from the finished line, so that it does not matter whether they came
 * in a field, in a message or deep inside an error.
 *
 * @param options.secrets the values of secrets, hidden wherever they appear; tokens are known by their form besides
 */
export function createLog(options: {
  readonly level: string;
  readonly secrets: readonly string[];
  readonly destination?: DestinationStream;
}): Log {
  const scrub = scrubber(options.secrets);
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError, error: describeError },
    hooks: { streamWrite: scrub },
  };
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination);
}

const HIDDEN = '[secret]';

/** Forms of secrets that come from elsewhere, such as a token in the answer of a server. None matches a quotation mark. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  // Slack: https://docs.slack.dev/authentication/tokens
  [/xox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]+/g, HIDDEN],
  [/xapp-[A-Za-z0-9-]+/g, HIDDEN],
  // JSON Web Tokens: those of service accounts are such. Without a longest header, a line of nothing but beginnings would take its square in time.
  [/eyJ[A-Za-z0-9_-]{8,500}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+/g, HIDDEN],
  [
    /((?:authorization|x-slack-signature)\\*["']?\s*[:=]\s*(?:\[\s*)?\\*["']?)(?:[A-Za-z]+\s+)?[A-Za-z0-9._~+/=:-]+/gi,
    `$1${HIDDEN}`,
  ],
  [/(bearer\s+)[A-Za-z0-9._~+/=-]{8,}/gi, `$1${HIDDEN}`],
  // The password of a URL, up to the last @
  [/(:\/\/[^\s:@/"\\]*:)[^\s/"\\]+(?=@)/g, `$1${HIDDEN}`],
];

/** Replaces secrets in a text. Values shorter than four characters are left: they would hide half of every line. */
export function scrubber(secrets: readonly string[]): (text: string) => string {
  const values = [...new Set(secrets.flatMap((value) => [value, JSON.stringify(value).slice(1, -1)]))]
    .filter((value) => value.length >= 4)
    .toSorted((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const value of values) clean = clean.replaceAll(value, HIDDEN);
    for (const [form, replacement] of FORMS) clean = clean.replace(form, replacement);
    return clean;
  };
}

const inSources = createSourcePositions();

interface ErrorFields {
  type: string;
  message: string;
  stack?: string;
  code?: string | number;
  cause?: ErrorFields;
}

/** What a line says of an error. Not its other members: clients hang whole requests there, with headers. */
function describeError(error: unknown, depth = 0): ErrorFields {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(error.stack === undefined ? {} : { stack: inSources(error.stack) }),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(error.cause === undefined || depth >= 3 ? {} : { cause: describeError(error.cause, depth + 1) }),
  };
}
