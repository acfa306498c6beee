import { Secret } from '../core/secret.ts'

/** The bytes behind base64 text, line breaks ignored as Go does; undefined where it is none. */
export function decodeBase64(value: Secret): Secret | undefined {
  const bytes = decodeBase64Text(value.text())
  return bytes && new Secret(bytes)
}

/** The same for text. */
export function decodeBase64Text(text: string): Buffer | undefined {
  const plain = text.replaceAll(/[\r\n]/g, '')
  const isBase64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/
  return isBase64.test(plain) ? Buffer.from(plain, 'base64') : undefined
}
