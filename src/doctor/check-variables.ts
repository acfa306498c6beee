import type { AgentConfig } from '../config/load.ts'
import { gather, type Given } from '../config/sources.ts'
import type { AccessToken } from '../conjur/access-token.ts'
import { inspector, type Inspector } from '../conjur/inspect.ts'
import { retrieve, type Outcome } from '../conjur/retrieve.ts'
import { ConjurError, type AgentError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import type { Tools } from './known.ts'
import { degraded, failed, passed, type Finding } from './report.ts'

interface Asked {
  readonly config: AgentConfig
  readonly accessToken: AccessToken
}

interface Wanted {
  readonly group: string
  readonly variableId: string
  readonly required: boolean
}

/** Reads every variable of every group and keeps none of the values. */
export async function checkVariables(
  { config, accessToken }: Asked,
  tools: Tools,
  signal: AbortSignal,
): Promise<Finding> {
  const { conjur, groups } = config
  const options = {
    send: tools.toConjur(conjur),
    place: { applianceUrl: conjur.applianceUrl, account: conjur.account },
    timeoutMs: tools.timeoutMs,
    now: tools.now,
  }
  const see = (): Promise<readonly string[]> =>
    visibleVariables(inspector(options, accessToken, signal))
  const asksForAll = groups.some(({ fetchAll }) => fetchAll !== undefined)
  const context = { who: accessToken.login, given: tools.given }
  const all = asksForAll ? await see() : []
  const empty = groups.find(
    (group) => group.fetchAll !== undefined && allOf(group, all).length === 0,
  )
  if (empty !== undefined) return failed(nothingVisible(empty, context.who))
  const wanted = groups.flatMap((group) => [
    ...group.entries.map((entry): Wanted => ({ ...entry, group: group.name })),
    ...allOf(group, all).map((id): Wanted => ({
      variableId: id,
      group: group.name,
      required: true,
    })),
  ])
  const variableIds = [...new Set(wanted.map(({ variableId }) => variableId))]
  if (variableIds.length === 0) {
    return passed(
      config.kubernetesSecrets === undefined ? 'none named' : 'named by conjur-map in the Secrets',
    )
  }

  const outcomes = await retrieve(options, accessToken, { variableIds, signal })
  const broken = wanted.flatMap((one) => {
    const outcome = outcomes.get(one.variableId)
    return outcome === undefined || outcome.kind === 'value' ? [] : [{ ...one, outcome }]
  })
  const readable = variableIds.filter((id) => outcomes.get(id)?.kind === 'value').length
  const facts = { asked: variableIds.length, readable }
  if (broken.length === 0) return passed(`${readable} readable`, facts)
  const visible = asksForAll ? all : await see()
  const errors = broken.map((one) => ({ ...one, error: errorOf(one, { ...context, visible }) }))
  return verdict(errors, facts)
}

interface Failure extends Wanted {
  readonly error: AgentError
}

/** One finding of all failures: the first that is required, or that only optional ones are missing. */
function verdict(
  failures: readonly Failure[],
  facts: { readonly asked: number; readonly readable: number },
): Finding {
  const [first, ...others] = failures.toSorted((a, b) => Number(b.required) - Number(a.required))
  if (first === undefined) return passed(`${facts.readable} readable`, facts)
  const lines = others.map(
    ({ error, required }) => `${error.code}: ${error.message}${required ? '' : ' (optional)'}`,
  )
  const { error } = first
  if (first.required) return failed(error, { lines, facts })
  const message = `${facts.readable} of ${facts.asked} readable; optional: ${error.message}`
  return degraded(message, { code: error.code, hint: error.hint, lines, facts })
}

/** Ids of the variables that the host can see, at most a thousand. */
async function visibleVariables(records: Inspector): Promise<readonly string[]> {
  const resources = (await records.resources('variable')) ?? []
  return resources.map(({ id }) => id.slice(id.indexOf(':variable:') + ':variable:'.length))
}

type Group = AgentConfig['groups'][number]

/** What `"*"` stands for: every variable under the group's policy path. */
function allOf({ fetchAll }: Group, visible: readonly string[]): readonly string[] {
  if (fetchAll === undefined) return []
  const { policyPath } = fetchAll
  return policyPath === '' ? visible : visible.filter((id) => id.startsWith(`${policyPath}/`))
}

function nothingVisible({ name, fetchAll }: Group, who: string): ConjurError {
  const where = fetchAll?.policyPath === '' ? '' : ` under ${fetchAll?.policyPath ?? ''}`
  return new ConjurError('CONJUR_NOT_FOUND', `${who} may see no variable${where}`, {
    hint: `permit ${who} read and execute on what group ${name} asks for`,
    facts: { group: name },
  })
}

interface Context {
  /** The variables that this host can see. */
  readonly visible: readonly string[]
  readonly who: string
  readonly given: Given
}

function errorOf(
  {
    variableId,
    group,
    outcome,
  }: Wanted & { readonly outcome: Exclude<Outcome, { kind: 'value' }> },
  { visible, who, given }: Context,
): AgentError {
  const named = `it is named in ${placeOf(given, { group, variableId })}`
  const facts = { variable: variableId, group }
  switch (outcome.kind) {
    case 'failed':
      return outcome.error
    case 'forbidden':
      return new ConjurError(
        'CONJUR_FORBIDDEN',
        `${who} may see variable ${variableId} but not read it (403)`,
        {
          hint: `permit ${who} execute on variable ${variableId} in the policy; ${named}`,
          facts: { ...facts, status: 403 },
        },
      )
    case 'missing': {
      if (visible.includes(variableId)) {
        return new ConjurError(
          'CONJUR_NOT_FOUND',
          `variable ${variableId} has no value yet (404)`,
          {
            hint: `conjur variable set -i ${variableId} -v …; ${named}`,
            facts: { ...facts, status: 404 },
          },
        )
      }
      const near = nearest(variableId, visible)
      return new ConjurError(
        'CONJUR_NOT_FOUND',
        `variable ${variableId} does not exist or ${who} may not see it (404)`,
        {
          hint:
            near === undefined
              ? `${named}; conjur-agent policy prints the permission it needs`
              : `${named}; this host can see ${near}`,
          facts: { ...facts, status: 404 },
        },
      )
    }
    default:
      return outcome satisfies never
  }
}

/** Where a user typed a variable: `conjur.org/conjur-secrets.db, line 2`. */
function placeOf(
  given: Given,
  { group, variableId }: { group: string; variableId: string },
): string {
  const [raw] = gather(given).groups.get(group)?.get('secrets') ?? []
  if (raw === undefined) return `group ${group}`
  if (typeof raw.value !== 'string') return raw.name
  const last = variableId.slice(variableId.lastIndexOf('/') + 1)
  const lines = raw.value.split('\n')
  const at = lines.findIndex((line) => line.includes(variableId))
  const line = at === -1 ? lines.findIndex((text) => text.includes(last)) : at
  return line === -1 ? raw.name : `${raw.name}, line ${line + 1}`
}
