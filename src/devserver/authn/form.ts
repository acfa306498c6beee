import { authentication, missingField } from '../refusals.ts'

/** The fields of a form body; of a repeated one the last. What is no percent-encoding stays as it is. */
export function parseForm(body: Buffer): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  if (body.some((byte) => byte > 0x7f)) throw notAForm()
  for (const pair of body.toString('latin1').split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    fields.set(
      decodeForm(equals < 0 ? pair : pair.slice(0, equals)),
      equals < 0 ? '' : decodeForm(pair.slice(equals + 1)),
    )
  }
  return fields
}

/** The token in `jwt=…`, trimmed. Throws CONJ00009E where there is none, CONJ00077E where it has not the shape of one. */
export function jwtIn(body: Buffer): string {
  const sent = parseForm(body).get('jwt') ?? ''
  if (sent === '') throw missingField('jwt')
  const token = sent.trim()
  if (!/^[-\w=]+\.[-\w=]+\.[-\w=]+$/.test(token)) throw notAJwt(token)
  return token
}

/** Undoes form encoding: `+` is a space, what is no percent-encoding stays as it is. */
export function decodeForm(text: string): string {
  const bytes = text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-fA-F]{2})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    )
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function notAJwt(token: string): Error {
  const parts = token.split('.').length
  return authentication(
    'Jwt::RequestBodyMissingJWTToken',
    'CONJ00077E The request body does not contain JWT token',
    {
      because:
        parts === 3
          ? 'jwt=… has three parts, but one is empty or no base64url'
          : `jwt=… has ${parts} parts, a token has three`,
    },
  )
}

function notAForm(): Error {
  return authentication(
    'Jwt::RequestBodyMissingJWTToken',
    'CONJ00077E The request body does not contain JWT token',
    { because: 'the body holds bytes outside ASCII, so it is no form' },
  )
}
