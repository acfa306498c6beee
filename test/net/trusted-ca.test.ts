import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { examineCa, readCa } from '../../src/net/trusted-ca.ts'
import { hollow, testCa } from '../support/certificate.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const { cert } = await testCa()

async function read(text: string): Promise<string | undefined> {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'ca.pem')
  await writeFile(file, text)
  return await readCa({ file })
}

test.each([
  ['as it is', cert],
  ['with the line ends of Windows', cert.replaceAll('\n', '\r\n')],
  ['with words around it', `# our CA\n${cert}\n# and again\n${cert}`],
])('a CA file is taken %s', async (_how, text) => {
  expect(await read(text)).toBe(text)
})

test.each([
  ['', 'it holds no PEM certificate'],
  ['-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n', 'it holds a broken one'],
  [cert.slice(0, 200), 'it holds a broken one'],
])('a CA file that cannot be used is named, and read again later', async (text, why) => {
  await expect(read(text)).rejects.toMatchObject({
    code: 'CONFIG_UNREADABLE',
    retryable: true,
    message: expect.stringMatching(new RegExp(`^CONJUR_CERT_FILE .*ca.pem: ${why}$`)),
  })
})

test('what is broken inside a certificate is found by whoever looks into it', async () => {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'ca.pem')
  await writeFile(file, hollow(cert))

  expect(await readCa({ file })).toBe(hollow(cert))
  await expect(examineCa({ file })).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' })
  await writeFile(file, cert)
  expect(await examineCa({ file })).toBe(cert)
})
