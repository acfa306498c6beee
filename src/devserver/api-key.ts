import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto'

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** A fresh API key in Conjur's shape: eight random 32-bit numbers in Crockford's base 32, joined. */
export function randomApiKey(): string {
  const bytes = randomBytes(32)
  let key = ''
  for (let offset = 0; offset < 32; offset += 4) key += encode(bytes.readUInt32BE(offset))
  return key
}

/** Compares two texts in a time that does not tell where they differ. */
export function isSame(given: Buffer, expected: string): boolean {
  const wanted = Buffer.from(expected, 'utf8')
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

/** A password as it is kept: salt and hash, in hex. */
export function hashPassword(password: Buffer): string {
  const salt = randomBytes(16)
  return `${salt.toString('hex')}:${scryptSync(password, salt, 32).toString('hex')}`
}

export function isPassword(given: Buffer, hash: string | undefined): boolean {
  const [salt, expected] = hash?.split(':') ?? []
  if (salt === undefined || expected === undefined) return false
  return timingSafeEqual(
    scryptSync(given, Buffer.from(salt, 'hex'), 32),
    Buffer.from(expected, 'hex'),
  )
}

function encode(number: number): string {
  let text = ''
  for (let rest = number; rest > 0; rest = Math.floor(rest / 32)) text = alphabet[rest % 32] + text
  return text === '' ? '0' : text
}
