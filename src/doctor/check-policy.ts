import { outgrownBy } from './compare.ts'
import { nameOf } from '../identity/claims.ts'
import type { Console } from './console.ts'
import { examine } from './examine.ts'
import type { Known, Tools } from './known.ts'
import type { Operator } from './operator.ts'
import type { Plan } from './plan.ts'
import { groupOf } from './policy.ts'
import type { StepResult } from './report.ts'
import { operatorFor } from './steps.ts'

/** One thing that a server lacks, and how it gets it. */
export interface Missing {
  readonly what: string
  readonly cure: string
}

/** What a check came to: what is missing, or the step that kept it from being asked. */
export interface PolicyCheck {
  readonly missing: readonly Missing[]
  readonly stoppedBy: StepResult | undefined
  /** Whether an operator's token was there: without one, a refused login hides its reason. */
  readonly isComplete: boolean
}

/** Asks a server what of a plan it lacks: by its lists, by a login with the very token, and by its records. */
export async function checkPolicy(
  plan: Plan,
  tools: Tools,
  signal: AbortSignal,
): Promise<PolicyCheck> {
  let known: Known = {}
  const results = await examine({
    tools,
    until: 'variables',
    signal,
    listener: {
      started: () => undefined,
      finished: (_result, found) => {
        known = { ...known, ...found }
      },
    },
  })
  const failures = results.filter(({ outcome }) => outcome === 'failed')
  const stoppedBy = failures.find(({ id }) => !ABOUT_POLICY.includes(id))
  const secret = tools.operatorToken
  const isComplete = secret !== undefined
  if (stoppedBy !== undefined || known.config === undefined)
    return { missing: [], stoppedBy, isComplete }
  const recorded =
    secret === undefined
      ? []
      : await lackingIn(operatorFor(known.config.conjur, { secret, tools, signal }), plan)
  const seen = failures
    .filter((failure) => recorded.length === 0 || !isRecorded(failure))
    .flatMap((failure) => lackOf(failure))
    .filter(({ what }) => !recorded.some((one) => what.includes(`${lastWord(one.what)} `)))
  return { missing: unique([...recorded, ...seen]), stoppedBy: undefined, isComplete }
}

const ABOUT_POLICY: readonly string[] = ['authenticator', 'login', 'variables']

/** Whether the records, where they say something, have said what this failure only hints at. */
function isRecorded({ id, code, facts = {} }: StepResult): boolean {
  if (id === 'login') return code === 'CONJUR_UNAUTHENTICATED'
  return (
    code === 'CONJUR_NOT_CONFIGURED' &&
    [undefined, 'CONJ00036E', 'CONJ00037E'].some((one) => facts['conjurCode'] === one)
  )
}

function lastWord(text: string): string {
  return text.slice(text.lastIndexOf(' ') + 1)
}

/** What a failed step says is missing. */
function lackOf({ id, message, hint = '', left = [], lines = [] }: StepResult): readonly Missing[] {
  if (id !== 'login') {
    return [{ what: message, cure: hint }, ...lines.map((line) => ({ what: line, cure: '' }))]
  }
  const suspects = left.map(({ what, claims }) =>
    claims === undefined
      ? what
      : `${what} ${Object.entries(claims)
          .map(([name, value]) => `${name} "${value}"`)
          .join(', ')}`,
  )
  return [
    {
      what: [`${message}${suspects.length === 0 ? '' : '; one of:'}`, ...suspects].join('\n  '),
      cure: hint,
    },
  ]
}

const LOAD = 'load what `conjur-agent policy` prints'

/** What the records of the server do not hold, of everything that the plan wants. */
async function lackingIn(
  operator: Operator,
  { policy, settings }: Plan,
): Promise<readonly Missing[]> {
  const { records } = operator
  const { authenticator, login, annotations, variableIds } = policy
  const base = `conjur/${nameOf(authenticator)}`
  const lacking: Missing[] = []
  const webservice = await records.resource('webservice', base)
  if (webservice === undefined) lacking.push({ what: `webservice ${base}`, cure: LOAD })
  const group = `${base}/${groupOf(authenticator)}`
  const mayLogIn = webservice?.permissions.some(({ privilege }) => privilege === 'authenticate')
  if (mayLogIn === false)
    lacking.push({ what: `authenticate on webservice ${base} for any role`, cure: LOAD })
  if (mayLogIn !== true && (await records.resource('group', group)) === undefined) {
    lacking.push({ what: `group ${group}`, cure: LOAD })
  }
  for (const setting of settings) {
    const id = `${base}/${setting.name}`
    const found = await records.resource('variable', id)
    if (found === undefined) lacking.push({ what: `variable ${id}`, cure: LOAD })
    else if (found.versions === 0) {
      lacking.push({
        what: `a value for variable ${id}`,
        cure: 'conjur-agent policy --values prints it',
      })
    }
  }
  const kind = login.startsWith('host/') ? 'host' : 'user'
  const host = await records.resource(kind, login.replace(/^host\//, ''))
  if (host === undefined) lacking.push({ what: `${kind} ${login}`, cure: LOAD })
  else {
    for (const [name, value] of Object.entries(annotations)) {
      const found = host.annotations[name]
      if (found === value) continue
      const now = found === undefined ? '' : `, now "${found}"`
      lacking.push({
        what: `annotation ${name} "${value}" of ${login}${now}`,
        cure: 'load it with conjur policy update, as `conjur-agent policy` prints it',
      })
    }
  }
  for (const id of variableIds) {
    const found = await records.resource('variable', id)
    if (found === undefined) lacking.push({ what: `variable ${id}`, cure: LOAD })
    else if (found.versions === 0) {
      lacking.push({
        what: `a value for variable ${id}`,
        cure: `conjur variable set -i ${id} -v …`,
      })
    } else if (!found.permissions.some(({ privilege }) => privilege === 'execute')) {
      lacking.push({ what: `execute on variable ${id} for ${login}`, cure: LOAD })
    }
  }
  return [...lacking, ...(await outgrown(operator, policy))]
}

/** Other hosts of this authenticator that no longer fit: its enforced claims were changed after them. */
async function outgrown(
  { records, values }: Operator,
  { authenticator, login }: Plan['policy'],
): Promise<readonly Missing[]> {
  if (authenticator.type !== 'authn-jwt') return []
  const base = `conjur/${nameOf(authenticator)}`
  const lists = await values([`${base}/enforced-claims`, `${base}/claim-aliases`])
  const demands = {
    enforced: lists.get(`${base}/enforced-claims`),
    aliases: lists.get(`${base}/claim-aliases`),
  }
  const hosts = (await records.resources('host')) ?? []
  return hosts.flatMap(({ id, annotations }) => {
    const host = `host/${id.slice(id.indexOf(':host:') + ':host:'.length)}`
    const isOurs = Object.keys(annotations).some((name) =>
      name.startsWith(`${nameOf(authenticator)}/`),
    )
    if (!isOurs || host === login) return []
    return outgrownBy(authenticator, annotations, demands).map((what) => ({
      what: `${host} no longer fits: ${what}`,
      cure: 'correct it with conjur policy update',
    }))
  })
}

function unique(missing: readonly Missing[]): readonly Missing[] {
  return missing.filter(
    (one, index) => missing.findIndex(({ what }) => what === one.what) === index,
  )
}

/** Prints a check: what is missing to stdout, the sum to stderr. The exit code: 0, 8, or that of what stopped it. */
export function printCheck(
  { missing, stoppedBy, isComplete }: PolicyCheck,
  { isJson, console }: { readonly isJson: boolean; readonly console: Console },
): number {
  const exitCode = stoppedBy?.exitCode ?? (missing.length === 0 ? 0 : 8)
  if (isJson) {
    const document = {
      schema: 'conjur-agent/policy-check/v1',
      ok: exitCode === 0,
      exitCode,
      isComplete,
      missing,
      ...(stoppedBy === undefined
        ? {}
        : { code: stoppedBy.code, message: stoppedBy.message, hint: stoppedBy.hint }),
    }
    console.out(`${JSON.stringify(document)}\n`)
    return exitCode
  }
  if (stoppedBy !== undefined) {
    console.err(`${stoppedBy.code}: ${stoppedBy.message}\nhint: ${stoppedBy.hint}\n`)
    return exitCode
  }
  if (missing.length > 0) {
    const items = missing.map(
      ({ what, cure }) => `${what}${cure === '' ? '' : `\n  hint: ${cure}`}\n`,
    )
    console.out(items.join(''))
  }
  const { symbols } = console.errTerminal
  const sum =
    missing.length === 0
      ? `${symbols.done} nothing is missing: this workload can log in and read`
      : `${symbols.failed} ${missing.length} missing${isComplete ? '' : `; ${symbols.next} --conjur-token-file FILE, an operator's access token, shows the records too`}`
  console.err(`${sum}\n`)
  return exitCode
}
