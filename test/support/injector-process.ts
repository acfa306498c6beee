import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { creating, ENVIRONMENT, IMAGE, type Loose } from '../injector/pods.ts'
import type { Issued } from './certificate.ts'
import { builtProgram } from './program.ts'

export interface InjectorOptions {
  readonly more?: readonly string[]
  /** Node's own flags. */
  readonly node?: readonly string[]
  /** A command that runs what follows it in its own place. */
  readonly under?: readonly string[]
}

/** The injector as a process, with supplied certificate files and no Kubernetes in reach. */
export async function startInjector(
  directory: string,
  pair: Issued,
  { more = [], node = [], under = [] }: InjectorOptions = {},
) {
  const [cert, key] = [join(directory, 'tls.crt'), join(directory, 'tls.key')]
  await Promise.all([writeFile(cert, pair.cert), writeFile(key, pair.key)])
  const argv = [
    'injector',
    '--listen=127.0.0.1:0',
    '--status-listen=127.0.0.1:0',
    `--tls-cert=${cert}`,
    `--tls-key=${key}`,
    `--image=${IMAGE}`,
    ...more,
  ]
  const [file = '', ...words] = [...under, ...builtProgram(argv, node)]
  const child = spawn(file, words, {
    env: { PATH: process.env['PATH'], ...ENVIRONMENT },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  const lines = new EventTarget()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text
      lines.dispatchEvent(new Event('line'))
    })
  }
  const said = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(log)
      if (found !== null) return found
      if (child.exitCode !== null) throw new Error(log)
      await new Promise((resolve) => {
        lines.addEventListener('line', resolve, { once: true })
        child.once('exit', resolve)
      })
    }
  }
  const [, port = '', statusPort = ''] = await said(
    /"listen":"127.0.0.1:(\d+)","status":"127.0.0.1:(\d+)"/,
  )
  return {
    pid: child.pid ?? 0,
    files: { cert, key },
    port: Number(port),
    status: (path: string) => fetch(`http://127.0.0.1:${statusPort}${path}`),
    said,
    log: () => log,
    async stop(): Promise<{ code: number | null; ms: number }> {
      const startedAt = performance.now()
      child.kill('SIGTERM')
      const [code] = await once(child, 'exit')
      return { code, ms: performance.now() - startedAt }
    },
  }
}

/** What the injector answers to the creation of a pod. */
export async function review(port: number, ca: string, object: unknown): Promise<Loose> {
  return JSON.parse(await sendReview(port, ca, reviewOf(object)))
}

/** The text of a request for the creation of a pod. */
export function reviewOf(object: unknown): string {
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: creating(object),
  })
}

/** The same, as the text that is sent and that comes back. */
export async function sendReview(port: number, ca: string, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const sent = request({ host: '127.0.0.1', port, path: '/mutate', method: 'POST', ca, headers })
  sent.end(body)
  const [response] = await once(sent, 'response')
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return text
}
