import { once } from 'node:events'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { expect, test } from 'vitest'
import { testCa } from '../support/certificate.ts'
import { review, startInjector } from '../support/injector-process.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { pod } from './pods.ts'

async function servedBy(port: number, ca: string): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1', ca, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  socket.destroy()
  return socket.authorized
}

async function refusalOfOldTls(port: number): Promise<unknown> {
  const version = {
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  } as const
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...version })
  const [error] = await once(socket, 'error')
  return error.code
}

test('it is ready without a Kubernetes, serves, and P7: ends with 0 within a second', async () => {
  await using directory = await temporaryDirectory()
  const ca = await testCa()
  const injector = await startInjector(directory.path, await ca.issue())

  expect((await injector.status('/readyz')).status).toBe(200)
  const { response } = await review(injector.port, ca.cert, pod())
  expect(response.allowed).toBe(true)
  const { code, ms } = await injector.stop()
  expect(code).toBe(0)
  expect(ms).toBeLessThan(1000)
})

test('P7: connections that shake no hands, or bring half of a review, do not hold up the end', async () => {
  await using directory = await temporaryDirectory()
  const ca = await testCa()
  const injector = await startInjector(directory.path, await ca.issue())
  const plain = connectPlain(injector.port, '127.0.0.1')
  const half = connect({ port: injector.port, host: '127.0.0.1', ca: ca.cert })
  half.on('error', () => undefined)
  await Promise.all([once(plain, 'connect'), once(half, 'secureConnect')])
  half.write('POST /mutate HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n')
  half.write('Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n')
  await once(half, 'data')

  expect((await injector.stop()).code).toBe(0)
  plain.destroy()
})

test('P2: neither a patch nor anything of a pod gets into the log or the metrics', async () => {
  await using directory = await temporaryDirectory()
  const ca = await testCa()
  const injector = await startInjector(directory.path, await ca.issue(), {
    more: ['--log-level=debug'],
  })
  const secret = 'hunter2-in-the-environment'
  const containers = [{ name: 'web', env: [{ name: 'PASSWORD', value: secret }] }]
  await review(injector.port, ca.cert, pod({}, { containers }))
  await review(injector.port, ca.cert, pod({ inject: 'no' }, { containers }))
  await review(injector.port, ca.cert, pod({ 'container-mode': 'x' }, { containers }))
  await injector.said(/container-mode/)
  const metrics = await (await injector.status('/metrics')).text()
  await injector.stop()

  expect(injector.log()).not.toContain(secret)
  expect(injector.log()).not.toContain('"op"')
  expect(injector.log()).toContain('"reason":"sidecar","msg":"injected"')
  expect(metrics).not.toContain(secret)
  expect(metrics).toContain('reviews_total{outcome="refused",reason="annotations"} 1')
})

test('P10: a supplied certificate that is replaced is served without a restart, P8: still by no TLS before 1.2', async () => {
  await using directory = await temporaryDirectory()
  const [one, two] = await Promise.all([testCa('one'), testCa('two')])
  const injector = await startInjector(directory.path, await one.issue())
  const next = await two.issue()
  expect([
    await servedBy(injector.port, one.cert),
    await servedBy(injector.port, two.cert),
  ]).toEqual([true, false])

  // Key and certificate are two files: in between they do not fit, and the old pair is served on.
  for (const [name, text] of Object.entries({ key: next.key, cert: next.cert })) {
    const path = injector.files[name as 'cert' | 'key']
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }
  await injector.said(/serving a new certificate/)

  expect([
    await servedBy(injector.port, one.cert),
    await servedBy(injector.port, two.cert),
  ]).toEqual([false, true])
  expect(await refusalOfOldTls(injector.port)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
  await injector.stop()
})

test('P10: so is one whose directory the kubelet swaps', async () => {
  await using directory = await temporaryDirectory()
  const at = (name: string): string => join(directory.path, name)
  const [one, two] = await Promise.all([testCa('one'), testCa('two')])
  await Promise.all([mkdir(at('..1')), mkdir(at('..2'))])
  await symlink('..1', at('..data'))
  for (const name of ['tls.crt', 'tls.key']) await symlink(`..data/${name}`, at(name))
  const injector = await startInjector(directory.path, await one.issue())
  const next = await two.issue()
  await writeFile(at('..2/tls.crt'), next.cert)
  await writeFile(at('..2/tls.key'), next.key)
  await symlink('..2', at('..data_tmp'))
  await rename(at('..data_tmp'), at('..data'))
  await injector.said(/serving a new certificate/)

  expect(await servedBy(injector.port, two.cert)).toBe(true)
  await injector.stop()
})
