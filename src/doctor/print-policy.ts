import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { OutputError } from '../core/errors.ts'
import { nameOf } from '../identity/claims.ts'
import type { Console } from './console.ts'
import type { Plan } from './plan.ts'
import { policyText, type PolicyText } from './policy.ts'
import { setCommand } from './values.ts'

export interface PrintOptions {
  /** A file, or a directory: it ends in a slash or is one. Undefined for stdout. */
  readonly output: string | undefined
  readonly force: boolean
}

/** Prints a plan: the policy for a program to read, where it came from and what comes next for people. */
export function printPolicy(plan: Plan, options: PrintOptions, console: Console): void {
  const texts = policyText(plan.policy)
  const files = write(texts, plan, options)
  if (files.length === 0) console.out(texts.authenticator + texts.workload)
  console.err(talk(plan, files.length === 0 ? [fileNameOf(plan)] : files, console))
}

/** Prints the commands that set the variables: a shell script, with what has to be filled in as comments. */
export function printValues(plan: Plan, console: Console): void {
  const { authenticator, variableIds } = plan.policy
  const lines = [
    '# conjur CLI 8; before it: conjur variable values add ID VALUE',
    ...plan.settings.map((setting) =>
      setting.value === undefined
        ? `# conjur/${nameOf(authenticator)}/${setting.name}: ${setting.from ?? 'ask whoever runs the issuer'}`
        : setCommand(authenticator, setting),
    ),
    ...variableIds.map((id) => `# conjur variable set -i ${id} -v …`),
  ]
  console.out(`${lines.join('\n')}\n`)
}

function talk(plan: Plan, files: readonly string[], { errTerminal }: Console): string {
  const { symbols, paint } = errTerminal
  const { authenticator } = plan.policy
  const [first, ...others] = plan.settings
  const steps = [
    ...files.map((file) => `conjur policy load -b root -f ${file}`),
    ...(first === undefined
      ? []
      : [
          `${setCommand(authenticator, first)}${others.length === 0 ? '' : `   (+ ${others.length}: --values)`}`,
        ]),
    ...(plan.loginToSet === undefined
      ? []
      : [`in the workload: CONJUR_AUTHN_LOGIN=${plan.loginToSet}`]),
    `on the server: CONJUR_AUTHENTICATORS=authn,${nameOf(authenticator)}      ${symbols.next} CHECK conjur-agent policy --check`,
  ]
  const numbered = steps.map((step, index) =>
    `${symbols.next} ${index + 1} ${step}`.replace('CHECK', String(index + 2)),
  )
  return [
    `read  ${plan.read}`,
    ...plan.warnings.map((warning) => `${paint('yellow', symbols.degraded)} ${warning}`),
    ...numbered,
    '',
  ].join('\n')
}

/** Writes the policy where asked; the files written, none if it goes to stdout. */
function write(texts: PolicyText, plan: Plan, { output, force }: PrintOptions): readonly string[] {
  if (output === undefined) return []
  const name = nameOf(plan.policy.authenticator).replace('/', '-')
  const isDirectory = output.endsWith('/') || isThere(output)
  const members = plan.policy.login.startsWith('host/') ? 'hosts' : 'users'
  const files: readonly (readonly [string, string])[] = isDirectory
    ? [
        [join(output, `${name}.yml`), texts.authenticator],
        [join(output, `${name}-${members}.yml`), texts.workload],
      ]
    : [[output, texts.authenticator + texts.workload]]
  const [taken] = files.filter(([file]) => existsSync(file))
  if (taken !== undefined && !force) {
    throw new OutputError('OUTPUT_BLOCKED', `${taken[0]} exists and is not overwritten`, {
      hint: `conjur-agent policy -o ${output} --force overwrites it`,
      facts: { file: taken[0] },
    })
  }
  for (const [file, text] of files) put(file, text)
  return files.map(([file]) => file)
}

function put(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
    throw new OutputError('OUTPUT_UNWRITABLE', `${file} cannot be written (${code})`, {
      hint: `ls -ld ${join(file, '..')}`,
      facts: { file },
      cause,
    })
  }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** `web.yml` for host/apps/web: what a reader may redirect stdout to. */
function fileNameOf({ policy }: Plan): string {
  const last = policy.login.slice(policy.login.lastIndexOf('/') + 1)
  return `${last.replaceAll(/[^\w.-]/g, '-')}.yml`
}
