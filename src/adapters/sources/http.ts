import { z } from 'zod';

/** Milliseconds for everything that one question takes: somebody waits for the decision. */
const PATIENCE = 2000;
/** Bytes of all answers to one question, after decompression. */
const MOST_BYTES = 1024 * 1024;
/** Seconds after which it is worth to try again where nothing says so, and the longest that is taken from an answer. */
const TRY_AGAIN = 10;
const LONGEST_WAIT = 300;

/** Why a source could not be asked: our own words, which hold neither URL nor token nor anything of the answer. */
export class SourceFault extends Error {
  override name = 'SourceFault';
  /** Seconds; null: not before somebody has changed something. */
  readonly retryIn: number | null;
  /** Of the answer; null: there was none. */
  readonly status: number | null;

  constructor(message: string, retryIn: number | null, status: number | null = null) {
    super(message);
    this.retryIn = retryIn;
    this.status = status;
  }
}

/** What one question may still take. */
export interface Budget {
  readonly patience: number;
  readonly signal: AbortSignal;
  bytesLeft: number;
}

export function newBudget(patience: number = PATIENCE): Budget {
  return { patience, signal: AbortSignal.timeout(patience), bytesLeft: MOST_BYTES };
}

/**
 * Asks for JSON of a form. Redirects are not followed: what authorizes us must reach no other host.
 * @throws SourceFault
 */
export async function askJson<S extends z.ZodType>(
  url: string,
  form: S,
  budget: Budget,
  { headers, post }: { readonly headers?: Record<string, string>; readonly post?: unknown } = {},
): Promise<z.output<S>> {
  const text = await exchange(url, budget, {
    method: post === undefined ? 'GET' : 'POST',
    headers: {
      accept: 'application/json',
      ...(post !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(post !== undefined && { body: JSON.stringify(post) }),
  });
  const parsed = form.safeParse(jsonOf(text));
  if (!parsed.success) throw new SourceFault(`its answer is not as documented (${placeOf(parsed.error)})`, null, 200);
  return parsed.data;
}

async function exchange(url: string, budget: Budget, init: RequestInit): Promise<string> {
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal: budget.signal });
    if (response.status !== 200) {
      await response.body?.cancel().catch(() => {});
      throw faultOf(response);
    }
    return await boundedText(response, budget);
  } catch (error) {
    throw error instanceof SourceFault ? error : new SourceFault(reasonOf(error, budget), TRY_AGAIN);
  }
}

async function boundedText(response: Response, budget: Budget): Promise<string> {
  const chunks: Uint8Array[] = [];
  // Leaving the loop cancels the body, and with it the connection.
  for await (const chunk of response.body ?? []) {
    budget.bytesLeft -= chunk.byteLength;
    if (budget.bytesLeft < 0) throw new SourceFault(`it answers with more than ${MOST_BYTES} bytes`, null, 200);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SourceFault('its answer is not JSON', null, 200);
  }
}

/** Where the form is not met: the names are of our form, never of the answer. */
function placeOf({ issues: [issue] }: z.ZodError): string {
  const path = (issue?.path ?? []).map((part) => (typeof part === 'number' ? `[${part}]` : String(part))).join('.');
  return path === '' ? 'as a whole' : path;
}

function faultOf({ status, headers }: Response): SourceFault {
  if (status >= 300 && status < 400)
    return new SourceFault(`it answers with a redirect (${status}), which is not followed`, null, status);
  if (status === 401 || status === 403) return new SourceFault(`it refuses our token (${status})`, null, status);
  if (status === 429 || status >= 500) return new SourceFault(`it answers ${status}`, waitOf(headers), status);
  return new SourceFault(`it answers ${status}`, null, status);
}

function waitOf(headers: Headers): number {
  const text = headers.get('retry-after') ?? '';
  return /^\d{1,6}$/.test(text) ? Math.min(LONGEST_WAIT, Math.max(1, Number(text))) : TRY_AGAIN;
}

/** Codes of Node only: the text of an error could hold the URL. */
function reasonOf(error: unknown, { signal, patience }: Budget): string {
  if (signal.aborted) return `no whole answer in ${patience / 1000} s`;
  const { code } = ((error as { cause?: unknown }).cause ?? {}) as { code?: unknown };
  return `no connection${typeof code === 'string' && /^[A-Z_]+$/.test(code) ? ` (${code})` : ''}`;
}
