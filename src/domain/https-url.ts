/** What is called elsewhere is called by TLS; without it only on this machine. */
export const HTTPS_URL = 'expected an https URL (http only for localhost) without user and password';

/** True for such a URL. What is in its path and query is not judged. */
export function isHttpsUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, hostname, username, password } = new URL(value);
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
  return (protocol === 'https:' || (protocol === 'http:' && local)) && username === '' && password === '';
}
