// @peculiar/x509 needs a Reflect polyfill before it is loaded.
import 'reflect-metadata/lite';

import { createPrivateKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };
const LIFETIME_DAYS = 30;

/** A certificate and its private key, both PEM. */
export type KeyPair = { certificate: string; key: string };

/** Whom a certificate names. `groups` become its organizations, which Kubernetes reads as groups. */
export type Subject = {
  name: string;
  groups?: readonly string[];
  /** Names and addresses under which it serves; without them it is a client's certificate only. */
  serves?: { dns: readonly string[]; ips: readonly string[] };
};

/** A certificate authority. */
export type Authority = {
  /** Its certificate, PEM. */
  certificate: string;
  readonly issue: (subject: Subject) => Promise<KeyPair>;
};

function validity(): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - 60_000), notAfter: new Date(now + LIFETIME_DAYS * 86_400_000) };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

/**
 * A private key (P-256, PEM) without a certificate, such as the one that signs service account tokens. SEC 1, from which the
 * API server can also take the public half; from PKCS #8 it can't.
 */
export function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'sec1', format: 'pem' }).toString();
}

/** Makes an authority and keeps it in `dir` (ca.crt, ca.key), from where `openAuthority` takes it up in any process. */
export async function createAuthority(dir: string): Promise<Authority> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: [{ CN: ['drawbridge-test-ca'] }],
    keys,
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
    ],
  });
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFile(join(dir, 'ca.crt'), `${certificate.toString('pem')}\n`);
  await writeFile(join(dir, 'ca.key'), await keyPem(keys.privateKey), { mode: 0o600 });
  return openAuthority(dir);
}

/** The authority that `createAuthority` made in `dir`. */
export function openAuthority(dir: string): Authority {
  const certificate = readFileSync(join(dir, 'ca.crt'), 'utf8');
  const issuer = new X509Certificate(certificate).subjectName;
  const signingKey = createPrivateKey(readFileSync(join(dir, 'ca.key'))).toCryptoKey(ALGORITHM, false, ['sign']);

  return {
    certificate,
    async issue({ name, groups = [], serves }) {
      const keys = await generateKeys();
      const names: JsonGeneralName[] = [
        ...(serves?.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
        ...(serves?.ips ?? []).map((value) => ({ type: 'ip' as const, value })),
      ];
      const usages = [ExtendedKeyUsage.clientAuth, ...(serves ? [ExtendedKeyUsage.serverAuth] : [])];
      const issued = await X509CertificateGenerator.create({
        ...validity(),
        issuer,
        subject: [...groups.map((group) => ({ O: [group] })), { CN: [name] }],
        publicKey: keys.publicKey,
        signingKey,
        signingAlgorithm: SIGNATURE,
        extensions: [
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension(usages),
          ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
        ],
      });
      return { certificate: `${issued.toString('pem')}\n`, key: await keyPem(keys.privateKey) };
    },
  };
}
