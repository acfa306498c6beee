import type { PartialConfig } from '../config/load.ts'
import { ConfigError } from '../core/errors.ts'
import type { Given } from '../config/sources.ts'
import type { Secret } from '../core/secret.ts'
import { probe } from '../net/probe.ts'
import { createSender, type Sender } from '../net/send.ts'
import { readCa } from '../net/trusted-ca.ts'
import { readFile } from 'node:fs/promises'
import type { Tools } from './known.ts'
import { readOperatorToken } from './operator.ts'

interface Wanted {
  readonly given: Given
  readonly timeoutMs: number
  readonly operatorToken: Secret | undefined
}

/** The real tools, and how to let go of their connections. */
export function createTools({ given, timeoutMs, operatorToken }: Wanted): {
  readonly tools: Tools
  readonly close: () => Promise<void>
} {
  const conjurs: Sender[] = []
  const toPlatform = createSender({ connectTimeoutMs: Math.min(timeoutMs, 2000) })
  const toInternet = createSender({ connectTimeoutMs: timeoutMs })
  let toConjur: Sender | undefined
  return {
    tools: {
      given,
      probe,
      toConjur(conjur: PartialConfig['conjur']) {
        toConjur ??= createSender({ ca: () => readCa(conjur.ca), connectTimeoutMs: timeoutMs })
        conjurs.push(toConjur)
        return toConjur.send
      },
      toPlatform: toPlatform.send,
      toInternet: toInternet.send,
      now: () => Date.now(),
      timeoutMs,
      operatorToken,
    },
    async close() {
      await Promise.all([...conjurs, toPlatform, toInternet].map((sender) => sender.close()))
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
