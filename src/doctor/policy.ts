import type { Annotations } from './annotations.ts'
import { nameOf, type AuthenticatorName } from '../identity/claims.ts'
import { scalar } from './yaml.ts'

/** Everything a policy for one workload says. */
export interface Policy {
  readonly authenticator: AuthenticatorName
  /** Variables of the authenticator that are going to be set, and no others: each one switches something on. */
  readonly settings: readonly string[]
  /** `host/apps/web`, or a user's name for authn-oidc. */
  readonly login: string
  readonly annotations: Annotations
  /** Where the annotations come from: stands beside them as a comment. */
  readonly origin: string
  /** Ids of the variables that the workload reads. */
  readonly variableIds: readonly string[]
}

/** A policy that can be loaded into root: the authenticator's part, and the workload's. */
export interface PolicyText {
  readonly authenticator: string
  readonly workload: string
}

/** Writes a policy as Conjur's own pages write them. */
export function policyText(policy: Policy): PolicyText {
  return {
    authenticator: `${authenticatorLines(policy).join('\n')}\n`,
    workload: `${workloadLines(policy).join('\n')}\n`,
  }
}

/** The group whose members may log in; oidc's pages call them users. */
export function groupOf({ type }: AuthenticatorName): string {
  return type === 'authn-oidc' ? 'users' : 'workloads'
}

const OIDC_NOTES = [
  '# One issuer a tenant: provider-uri names it, another tenant gets a service id of its own.',
  '# Who leaves is removed on both sides: at the provider, and here by !delete.',
]

function authenticatorLines({ authenticator, settings }: Policy): readonly string[] {
  const group = groupOf(authenticator)
  return [
    ...(authenticator.type === 'authn-oidc' ? OIDC_NOTES : []),
    '- !policy',
    `  id: conjur/${nameOf(authenticator)}`,
    '  body:',
    '    - !webservice',
    '    - !webservice status',
    ...settings.map((name) => `    - !variable ${name}`),
    `    - !group ${group}`,
    '    - !group operators                               # may read the status route',
    '    - !permit',
    `      role: !group ${group}`,
    '      privileges: [ read, authenticate ]',
    '      resource: !webservice',
    '    - !permit',
    '      role: !group operators',
    '      privileges: [ read ]',
    '      resource: !webservice status',
  ]
}

function workloadLines(policy: Policy): readonly string[] {
  const { authenticator, login } = policy
  const isUser = !login.startsWith('host/')
  const id = login.replace(/^host\//, '')
  const slash = isUser ? -1 : id.lastIndexOf('/')
  const branch = slash === -1 ? '' : id.slice(0, slash)
  const own = policy.variableIds.filter((variable) => isBelow(branch, variable))
  const foreign = policy.variableIds.filter((variable) => !isBelow(branch, variable))
  const role = `!${isUser ? 'user' : 'host'}`
  const body = [
    ...roleLines(policy, { role, id: id.slice(slash + 1) }),
    ...variableLines(
      own.map((variable) => (branch === '' ? variable : variable.slice(branch.length + 1))),
      `${role} ${scalar(id.slice(slash + 1))}`,
    ),
  ]
  const branched =
    branch === ''
      ? body
      : ['- !policy', `  id: ${scalar(branch)}`, '  body:', ...body.map((line) => `    ${line}`)]
  return [
    ...branched,
    ...variableLines(foreign, `${role} ${scalar(id)}`),
    '- !grant',
    `  role: !group conjur/${nameOf(authenticator)}/${groupOf(authenticator)}`,
    `  member: ${role} ${scalar(id)}`,
  ]
}

function isBelow(branch: string, variable: string): boolean {
  return branch === '' || variable.startsWith(`${branch}/`)
}

/** Where comments begin: behind everything that stands before them on these lines. */
const COMMENT_COLUMN = 53

function roleLines(
  { annotations, origin }: Policy,
  { role, id }: { role: string; id: string },
): readonly string[] {
  const entries = Object.entries(annotations)
  if (entries.length === 0) return [`- ${role} ${scalar(id)}`]
  return [
    `- ${role}`,
    `  id: ${scalar(id)}`,
    // Four columns go to the branch that this stands in.
    `${'  annotations:'.padEnd(COMMENT_COLUMN - 4)}# ${origin}`,
    ...entries.map(([name, value]) => `    ${scalar(name)}: ${scalar(value)}`),
  ]
}

function variableLines(ids: readonly string[], role: string): readonly string[] {
  const [only] = ids
  if (only === undefined) return []
  const names = ids.map((id) => `!variable ${scalar(id)}`)
  const isOne = names.length === 1
  return [
    ...(isOne ? [`- ${names[0]}`] : ['- &variables', ...names.map((name) => `  - ${name}`)]),
    '- !permit',
    `  role: ${role}`,
    '  privileges: [ read, execute ]',
    `  resource: ${isOne ? names[0] : '*variables'}`,
  ]
}
