import { outgrownBy } from './compare.ts'
import { nameOf } from '../identity/claims.ts'
import type { Operator } from './operator.ts'
import type { Plan } from './plan.ts'
import { groupOf } from './policy.ts'

/** One thing that a server lacks, and how it gets it. */
export interface Missing {
  readonly what: string
  readonly cure: string
}

const LOAD = 'load what `conjur-agent policy` prints'

/** What the records of the server do not hold, of everything that the plan wants. */
export async function lackingIn(
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
  if (host === undefined)
    lacking.push({ what: kind === 'host' ? login : `user ${login}`, cure: LOAD })
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
