import { once } from 'node:events'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { review } from '../../src/injector/review.ts'
import { createWebhook, type Answered } from '../../src/injector/server.ts'
import { applyPatch } from '../support/json-patch.ts'
import { testCa } from '../support/certificate.ts'
import { startInjector } from '../support/injector-process.ts'
import { EXECUTABLE } from '../support/program.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { contextWith, creating, pod, type Loose } from './pods.ts'

const ca = await testCa()
const tls = await ca.issue()
const answers: Answered[] = []
let port = 0
let close: () => void | Promise<void>

beforeAll(async () => {
  if (EXECUTABLE !== undefined) {
    const directory = await temporaryDirectory()
    const injector = await startInjector(directory.path, tls)
    port = injector.port
    close = async () => {
      await injector.stop()
      await directory[Symbol.asyncDispose]()
    }
    return
  }
  const context = await contextWith()
  const server = createWebhook(tls, {
    review: (request) => review(request, context),
    answered: (answered) => answers.push(answered),
    failed: (error) => {
      throw error
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
  close = () => {
    server.close()
    server.closeAllConnections()
  }
})

afterAll(() => close())

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
  /** Sent one by one, without a length. */
  readonly chunks?: readonly (string | Buffer)[]
  readonly body?: string | Buffer
}

async function send({ method = 'POST', path = '/mutate', headers, chunks, body }: Sent) {
  const request = httpsRequest({
    port,
    host: '127.0.0.1',
    method,
    path,
    ca: ca.cert,
    headers: { 'Content-Type': 'application/json', ...headers },
  })
  for (const chunk of chunks ?? []) request.write(chunk)
  request.end(body)
  const [response] = await once(request, 'response')
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode as number, headers: response.headers, text }
}

const reviewOf = (object: unknown, apiVersion = 'admission.k8s.io/v1', changes = {}) =>
  JSON.stringify({ apiVersion, kind: 'AdmissionReview', request: creating(object, changes) })

describe('an AdmissionReview', () => {
  test.each(['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'])(
    'of %s is answered in kind, with a patch that fits',
    async (apiVersion) => {
      const object = pod()
      const { status, headers, text } = await send({ body: reviewOf(object, apiVersion) })
      const answer = JSON.parse(text)

      expect(status).toBe(200)
      expect(headers['content-type']).toBe('application/json')
      expect(answer).toMatchObject({
        apiVersion,
        kind: 'AdmissionReview',
        response: { uid: 'u-1', allowed: true, patchType: 'JSONPatch' },
      })
      const patch = JSON.parse(Buffer.from(answer.response.patch, 'base64').toString())
      expect(applyPatch(object, patch).spec.initContainers[0].name).toBe('conjur-agent')
    },
  )

  test.each([
    ['a query string', { path: '/mutate?timeout=5s' }],
    ['media-type parameters', { headers: { 'Content-Type': 'Application/JSON; charset=utf-8' } }],
    ['headers in any case', { headers: { 'CONTENT-TYPE': 'application/json' } }],
  ])('with %s is accepted', async (_, sent) => {
    const { status } = await send({ ...sent, body: reviewOf(pod()) })

    expect(status).toBe(200)
  })

  test('in chunks is accepted, split anywhere', async () => {
    const bytes = Buffer.from(reviewOf(pod({}, {}, { name: 'ünïcode' })))
    const chunks = Array.from({ length: bytes.length / 7 + 1 }, (_, index) =>
      bytes.subarray(index * 7, index * 7 + 7),
    )
    const { status } = await send({ chunks })

    expect(status).toBe(200)
  })

  test('without a change carries neither patch nor patchType', async () => {
    const { text } = await send({ body: reviewOf(pod({ inject: 'false' })) })

    expect(JSON.parse(text).response).toEqual({ uid: 'u-1', allowed: true })
  })

  test('that is refused says why, all of it in one message', async () => {
    const object = pod({ 'container-mode': 'x', 'secret-file-format.db': 'y' })
    const { status, text } = await send({ body: reviewOf(object) })

    expect(status).toBe(200)
    expect(JSON.parse(text).response).toEqual({
      uid: 'u-1',
      allowed: false,
      status: {
        code: 403,
        reason: 'Forbidden',
        message:
          'ADMISSION_REFUSED: the pod cannot be injected as asked (2 problems): conjur.org/container-mode: "x" is unknown; write sidecar, init, both; conjur.org/secret-file-format.db: "y" is not one of yaml, json, dotenv, bash, properties, plain, template',
      },
    })
  })

  test('of 1 MiB is answered within 2 s', async () => {
    const containers = Array.from({ length: 5000 }, (_, index) => ({
      name: `c${index}`,
      env: [{ name: 'A', value: 'x'.repeat(120) }],
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
    }))
    const body = reviewOf(pod({}, { containers }))
    const startedAt = performance.now()
    const { status } = await send({ body })

    expect(body.length).toBeGreaterThan(1024 * 1024)
    expect(status).toBe(200)
    expect(performance.now() - startedAt).toBeLessThan(2000)
  })
})

describe('a malformed request gets 4xx and a message, never 5xx', () => {
  const whole = JSON.parse(reviewOf(pod()))
  const without = (change: (copy: Loose) => void): string => {
    const copy = structuredClone(whole)
    change(copy)
    return JSON.stringify(copy)
  }

  test.each([
    ['an empty body', ''],
    ['no JSON', 'hunter2'],
    ['half of a review', reviewOf(pod()).slice(0, 200)],
    ['null', 'null'],
    ['a list', '[]'],
    ['a text', '"x"'],
    ['an empty object', '{}'],
    ['no request', without((copy) => delete copy.request)],
    ['a request that is null', without((copy) => (copy.request = null))],
    ['no uid', without((copy) => delete copy.request.uid)],
    ['an empty uid', without((copy) => (copy.request.uid = ''))],
    ['a uid that is a number', without((copy) => (copy.request.uid = 7))],
    ['no operation', without((copy) => delete copy.request.operation)],
    ['no kind', without((copy) => delete copy.request.kind)],
    ['another API version', without((copy) => (copy.apiVersion = 'admission.k8s.io/v2'))],
    ['no API version', without((copy) => delete copy.apiVersion)],
    ['another kind', without((copy) => (copy.kind = 'Pod'))],
    ['no object', without((copy) => delete copy.request.object)],
    ['an object that is null', without((copy) => (copy.request.object = null))],
    ['an object that is a text', without((copy) => (copy.request.object = 'pod'))],
    ['no spec', without((copy) => delete copy.request.object.spec)],
    ['a spec that is a list', without((copy) => (copy.request.object.spec = []))],
    ['containers that are a text', without((copy) => (copy.request.object.spec.containers = 'x'))],
    ['a container that is null', without((copy) => (copy.request.object.spec.containers = [null]))],
    ['a container without name', without((copy) => (copy.request.object.spec.containers = [{}]))],
    ['volumes that are an object', without((copy) => (copy.request.object.spec.volumes = {}))],
    [
      'annotations that are a list',
      without((copy) => (copy.request.object.metadata.annotations = [])),
    ],
    [
      'an annotation that is a boolean',
      without((copy) => (copy.request.object.metadata.annotations['conjur.org/inject'] = true)),
    ],
    ['brackets a million deep', '['.repeat(1_000_000)],
    ['a million brackets closed', `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x00])],
  ])('%s', async (_, body) => {
    const { status, text } = await send({ body })

    expect(status).toBe(400)
    expect(text).toMatch(/^ADMISSION_MALFORMED: .+\n$/)
    expect(text).not.toContain('hunter2')
  })

  test.each([
    ['another path', 404, { path: '/' }],
    ['a path below', 404, { path: '/mutate/x' }],
    ['another method', 405, { method: 'PUT' }],
    ['GET', 405, { method: 'GET' }],
    ['another media type', 415, { headers: { 'Content-Type': 'text/plain' } }],
    ['an empty media type', 415, { headers: { 'Content-Type': '' } }],
    ['a content encoding', 415, { headers: { 'Content-Encoding': 'gzip' } }],
  ])('%s is answered with %d', async (_, status, sent) => {
    const answer = await send({
      ...sent,
      ...('method' in sent && sent.method === 'GET' ? {} : { body: '{}' }),
    })

    expect(answer.status).toBe(status)
  })

  test('a body of 10 MiB is refused, with a length or in chunks', async () => {
    const megabyte = ' '.repeat(1024 * 1024)
    const whole = await send({ body: megabyte.repeat(10) })
    const chunked = await send({ chunks: Array.from({ length: 11 }, () => megabyte) })

    expect([whole.status, chunked.status]).toEqual([413, 413])
  })

  test('a body just below 10 MiB is read', async () => {
    const body = reviewOf(pod()).padEnd(10 * 1024 * 1024 - 1)
    const { status } = await send({ body })

    expect(status).toBe(200)
  })

  test('a client that goes away in the middle leaves the server serving', async () => {
    const request = httpsRequest({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/mutate',
      ca: ca.cert,
      agent: false,
      headers: { 'Content-Type': 'application/json', 'Content-Length': '1000' },
    })
    request.on('error', () => {})
    request.write('{"apiVersion"')
    await once(request, 'socket').then(([socket]) => once(socket, 'secureConnect'))
    request.destroy()
    const { status } = await send({ body: reviewOf(pod()) })

    expect(status).toBe(200)
  })
})
