import {
  startDevserver,
  type Devserver,
  type DevserverOptions,
} from '../../src/devserver/server.ts'
import { TEST_TIME } from '../support/fake-clock.ts'
import { ask, type Answer } from './client.ts'

/** A devserver whose clock stands at TEST_TIME, with its log and its explanations kept. */
export interface Harness extends AsyncDisposable {
  readonly server: Devserver
  readonly log: string[]
  readonly explained: string[]
  /** POSTs a form to an authenticate route. */
  authenticate(path: string, form: string, headers?: Record<string, string>): Promise<Answer>
}

export async function harness(options: DevserverOptions): Promise<Harness> {
  const log: string[] = []
  const explained: string[] = []
  const server = await startDevserver({
    account: 'acme',
    // What goes over TLS is tested elsewhere; a certificate for each of these would cost more than the test.
    http: true,
    clock: () => TEST_TIME,
    log: (line) => log.push(line),
    explain: (line) => explained.push(line),
    ...options,
  })
  return {
    server,
    log,
    explained,
    authenticate: (path, body, headers = {}) =>
      ask(server, { method: 'POST', path, headers, body }),
    [Symbol.asyncDispose]: () => server.close(),
  }
}

/** Answers issuers' addresses from a table; every other one refuses the connection. */
export function issuerTable(
  table: Readonly<Record<string, unknown>>,
): NonNullable<DevserverOptions['askIssuer']> {
  return async (address) => {
    const found = table[address]
    if (found === undefined) throw new Error(`connection to ${address} refused`)
    return { status: 200, body: typeof found === 'string' ? found : JSON.stringify(found) }
  }
}

/** The CONJ code of the error that a log ends with; one that wraps another counts. */
export function lastCode(log: readonly string[]): string | undefined {
  const line = log.findLast((each) => /CONJ\d{5}E/.test(each))
  return line?.match(/CONJ\d{5}E/)?.[0]
}
