import type { PartialConfig } from '../config/load.ts'
import { askAuthenticators, inspector } from '../conjur/inspect.ts'
import { retrieve } from '../conjur/retrieve.ts'
import { ConjurError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import { checkAuthenticator } from './check-authenticator.ts'
import { checkClock } from './check-clock.ts'
import { checkConfiguration } from './check-configuration.ts'
import { checkLogin } from './check-login.ts'
import { checkName } from './check-name.ts'
import { checkTls } from './check-tls.ts'
import { checkToken } from './check-token.ts'
import { checkVariables } from './check-variables.ts'
import { checkVolume } from './check-volume.ts'
import { allOf, serversOf } from './each-server.ts'
import type { Known, Tools } from './known.ts'
import type { Operator } from './operator.ts'
import type { StepId } from '../core/doctor-steps.ts'
import { failed, skipped, type Finding } from './report.ts'
import { withStatus } from './status.ts'

/** One step: from what is known so far to a finding, and what it adds. An AgentError it rejects with is its failure. */
export interface Step {
  /** `reply` is no line of the report: the first question to Conjur, which clock and authenticator read. */
  readonly id: StepId | 'reply'
  readonly run: (
    known: Known,
    tools: Tools,
    signal: AbortSignal,
  ) => Promise<[Finding, Known]> | [Finding, Known]
}

const nothing: Known = {}

/** Every step, in the order in which they can be taken: Conjur's clock is known only once it has answered. */
export const steps: readonly Step[] = [
  {
    id: 'configuration',
    run: (_known, { given, connection }) => checkConfiguration(given, connection),
  },
  {
    id: 'token',
    run({ partial, config }, tools, signal) {
      const authenticator = partial?.conjur.authenticator
      if (partial === undefined || authenticator === undefined)
        return no('no authenticator is configured')
      const { identity, conjur } = partial
      // With other problems about, only a source that is whole in itself can be asked.
      if (config === undefined && !WHOLE.includes(identity.source.kind)) {
        return no('no usable configuration')
      }
      return checkToken({ identity, conjur, authenticatorType: authenticator.type }, tools, signal)
    },
  },
  {
    id: 'name',
    run(known, tools, signal) {
      const urls = allOf(serversOf(known.partial))
      return urls.length === 0 ? no('no address is configured') : checkName(known, tools, signal)
    },
  },
  {
    id: 'TLS',
    run(known, tools, signal) {
      const { partial, addresses } = known
      if (addresses === undefined || partial === undefined) return no('no address')
      return checkTls({ ...known, partial }, tools, signal)
    },
  },
  { id: 'reply', run: firstReply },
  {
    id: 'clock',
    run({ reply, token }, { now }) {
      if (reply === undefined) return no('no reply of Conjur to compare with')
      if (reply instanceof ConjurError) return no('no reply of Conjur to compare with')
      return [checkClock({ first: reply, token, now: now() }), nothing]
    },
  },
  {
    id: 'authenticator',
    async run(known, tools, signal) {
      const { reply, partial } = known
      const { authenticator, authnBaseUrl } = partial?.conjur ?? {}
      if (reply === undefined) return no('no trusted connection')
      if (reply instanceof ConjurError) return [failed(reply), nothing]
      if (authenticator === undefined || authnBaseUrl === undefined) {
        return no('no authenticator is configured')
      }
      const asked = { authenticator, host: authnBaseUrl.host, now: tools.now() }
      const [finding, more] = checkAuthenticator(reply.reply, asked)
      const operator = operatorOf(known, tools, signal)
      if (operator === undefined || finding.outcome === 'failed') return [finding, more]
      return [await withStatus(finding, authenticator, operator), more]
    },
  },
  {
    id: 'login',
    run(known, tools, signal) {
      const { config, credential, isTrusted } = known
      if (config === undefined) return no('no usable configuration')
      if (credential === undefined) return no('no platform token')
      if (isTrusted !== true) return no('no trusted connection')
      const operator = operatorOf(known, tools, signal)
      return checkLogin({ config, credential, known, operator }, tools, signal)
    },
  },
  {
    id: 'variables',
    async run({ config, partial, accessToken }, tools, signal) {
      if (config === undefined || accessToken === undefined) {
        const count = new Set(
          partial?.groups.flatMap(({ entries }) => entries.map(({ variableId }) => variableId)),
        ).size
        return [
          {
            outcome: 'skipped',
            message: `${count === 0 ? '' : `${count} `}not tried: no access token`,
          },
          nothing,
        ]
      }
      return [await checkVariables({ config, accessToken }, tools, signal), nothing]
    },
  },
  {
    id: 'volume',
    run: ({ partial }) =>
      partial === undefined ? no('no configuration') : [checkVolume(partial), nothing],
  },
]

/** Sources that a path or nothing at all describes. */
const WHOLE: readonly string[] = ['projected-token', 'azure-imds']

function no(why: string): [Finding, Known] {
  return [skipped(why), nothing]
}

async function firstReply(
  { partial, isTrusted }: Known,
  tools: Tools,
  signal: AbortSignal,
): Promise<[Finding, Known]> {
  const conjur = partial?.conjur
  if (conjur?.authnBaseUrl === undefined || isTrusted !== true) return no('no trusted connection')
  const options = {
    send: tools.toConjur(conjur),
    place: { applianceUrl: conjur.authnBaseUrl, account: conjur.account ?? '' },
    timeoutMs: tools.timeoutMs,
    now: tools.now,
  }
  const askedAt = tools.now()
  try {
    const reply = await askAuthenticators(options, signal)
    return [skipped('read by clock'), { reply: { reply, askedAt, answeredAt: tools.now() } }]
  } catch (error) {
    if (!(error instanceof ConjurError)) throw error
    return [skipped('no reply'), { reply: error }]
  }
}

function operatorOf({ config }: Known, tools: Tools, signal: AbortSignal): Operator | undefined {
  const secret = tools.operatorToken
  if (config === undefined || secret === undefined) return undefined
  return operatorFor(config.conjur, { secret, tools, signal })
}

interface Someone {
  readonly secret: Secret
  readonly tools: Pick<Tools, 'toConjur' | 'timeoutMs' | 'now'>
  readonly signal: AbortSignal
}

type WholeConjur = PartialConfig['conjur'] & {
  readonly applianceUrl: URL
  readonly account: string
}

/** Conjur's records as someone with an access token sees them. */
export function operatorFor(conjur: WholeConjur, { secret, tools, signal }: Someone): Operator {
  const options = {
    send: tools.toConjur(conjur),
    place: { applianceUrl: conjur.applianceUrl, account: conjur.account },
    timeoutMs: tools.timeoutMs,
    now: tools.now,
  }
  return {
    records: inspector(options, { secret }, signal),
    async values(variableIds) {
      const token = { secret, lifetimeMs: 0, login: '' }
      const outcomes = await retrieve(options, token, { variableIds, signal })
      return new Map(
        [...outcomes].flatMap(([id, outcome]) =>
          outcome.kind === 'value' ? [[id, outcome.value.text()] as const] : [],
        ),
      )
    },
  }
}
