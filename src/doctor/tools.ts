import type { PartialConfig } from '../config/load.ts'
import { ConfigError } from '../core/errors.ts'
import type { Given } from '../config/sources.ts'
import type { Secret } from '../core/secret.ts'
import { readTokenProxyCa } from '../identity/token-proxy.ts'
import { createTokenWith } from '../kubernetes/token-request.ts'
import { probe } from '../net/probe.ts'
import { createSender, type Sender } from '../net/send.ts'
import { examineCa } from '../net/trusted-ca.ts'
import { readFile } from 'node:fs/promises'
import type { Tools } from './known.ts'
import { readOperatorToken } from './operator.ts'

interface Wanted {
  readonly given: Given
  readonly timeoutMs: number
  readonly operatorToken: Secret | undefined
  readonly connection?: string | undefined
  readonly stillWaiting?: Tools['stillWaiting']
}

/** The real tools, and how to let go of their connections. */
export function createTools({
  given,
  timeoutMs,
  operatorToken,
  connection,
  stillWaiting,
}: Wanted): {
  readonly tools: Tools
  readonly close: () => Promise<void>
} {
  const toPlatform = createSender({ connectTimeoutMs: Math.min(timeoutMs, 2000) })
  const toInternet = createSender({ connectTimeoutMs: timeoutMs })
  const senders: Sender[] = [toPlatform, toInternet]
  let toConjur: Sender | undefined
  return {
    tools: {
      given,
      probe,
      toConjur(conjur: PartialConfig['conjur']) {
        if (toConjur === undefined) {
          toConjur = createSender({
            ca: () => examineCa(conjur.ca),
            proxy: conjur.proxy,
            connectTimeoutMs: timeoutMs,
          })
          senders.push(toConjur)
        }
        return toConjur.send
      },
      sources: {
        toPlatform: toPlatform.send,
        toInternet: toInternet.send,
        toTokenProxy(proxy) {
          const sender = createSender({
            ca: () => readTokenProxyCa(proxy.ca),
            serverName: proxy.serverName,
            connectTimeoutMs: timeoutMs,
          })
          senders.push(sender)
          return sender.send
        },
        createToken: createTokenWith(),
        environment: given.environment,
      },
      now: () => Date.now(),
      timeoutMs,
      operatorToken,
      connection,
      stillWaiting: stillWaiting ?? (() => undefined),
    },
    async close() {
      await Promise.all(senders.map((sender) => sender.close()))
    },
  }
}

/** The operator's access token in the file that a flag names; undefined where none is named. */
export async function operatorTokenIn(path: unknown): Promise<Secret | undefined> {
  if (typeof path !== 'string' || path === '') return undefined
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new ConfigError('CONFIG_UNREADABLE', `${path} cannot be read: ${code}`, {
      hint: `ls -l ${path}; it is named by --conjur-token-file`,
      facts: { path },
      cause,
    })
  }
  return readOperatorToken(text, path)
}
