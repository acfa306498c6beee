import { groupSettings, settings } from './settings.ts'
import type { Setting } from './setting.ts'
import { kebabCase } from './sources.ts'

/** Everything a user may have typed for one setting. */
interface Spelling {
  readonly name: string
  readonly env: string
  readonly annotation: string | undefined
  readonly flag: string | undefined
  readonly row: Pick<Setting<unknown>, 'help' | 'default' | 'example'>
}

/** Every setting in the order of the table, as help and docs show it. */
export function spellings(): readonly Spelling[] {
  const single = Object.entries<Setting<unknown>>(settings).map(([name, row]): Spelling => ({
    name,
    env: row.env,
    annotation: row.annotation === undefined ? undefined : `conjur.org/${row.annotation}`,
    flag: `--${kebabCase(name)}`,
    row,
  }))
  const grouped = Object.entries(groupSettings).map(([name, row]): Spelling => ({
    name: `groups.<group>.${name}`,
    env: `${row.env}__<GROUP>`,
    annotation: `conjur.org/${row.annotation}.<group>`,
    flag: undefined,
    row: { help: row.help, example: row.example },
  }))
  return [...single, ...grouped]
}

/** Help on one setting by any of its names; undefined if there is none. */
export function settingHelp(topic: string): string | undefined {
  const found = spellings().find((spelling) =>
    namesOf(spelling).some((name) => isSame(name, topic)),
  )
  if (found === undefined) return undefined
  const { name, env, annotation, flag, row } = found
  return [
    name,
    row.help,
    '',
    `  environment  ${env}`,
    `  annotation   ${annotation ?? 'none: a trust setting, which only the administrator sets'}`,
    ...(flag === undefined ? [] : [`  flag         ${flag}`]),
    `  config file  ${name}`,
    `  default      ${row.default ?? 'none'}`,
    `  example      ${row.example}`,
  ].join('\n')
}

/** One line a setting. */
export function settingsOverview(): string {
  return spellings()
    .map(({ env, row }) => `${env}\n    ${row.help}`)
    .join('\n')
}

/** Every name that {@link settingHelp} knows. */
export function settingNames(): readonly string[] {
  return spellings().flatMap((spelling) => namesOf(spelling))
}

function namesOf({ name, env, annotation, flag }: Spelling): readonly string[] {
  return [name, env, annotation, flag].filter((spelt) => spelt !== undefined)
}

/** `conjur.org/conjur-secrets.db` is asked for as often as `conjur.org/conjur-secrets.<group>`. */
function isSame(name: string, topic: string): boolean {
  const pattern = name.replace(/<group>|<GROUP>/, '')
  return name === topic || (pattern !== name && topic.startsWith(pattern) && topic !== pattern)
}
