import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { firstSet, startAgent } from './agent.ts'
import { CLIENT, EXCHANGE_AUDIENCE, TENANT } from './azure.ts'
import { SERVICE_ACCOUNT } from './kubernetes.ts'
import { POD_HOST, VM_HOST } from './policy.ts'
import { stopAgent } from './ending.ts'
import type { Stage } from './stage.ts'
import { modeText } from './tree.ts'
import { lookAt } from './volume.ts'
import { firstSetText } from './words.ts'

/** authn-azure on a virtual machine: the metadata service gives the token. */
export async function playManagedIdentity(stage: Stage): Promise<void> {
  const { screen, azure } = stage
  screen.line()
  screen.line(title(stage, 'authn-azure by managed identity'))
  screen.done(
    'platform',
    `simulated metadata service on ${azure.metadata.url}: VM vm-web, system-assigned`,
  )
  await playAgent(stage, {
    name: 'vm-web',
    login: VM_HOST,
    environment: { AZURE_POD_IDENTITY_AUTHORITY_HOST: azure.metadata.url },
  })
}

/** authn-azure in a pod: a federated token is exchanged at Entra. */
export async function playWorkloadIdentity(stage: Stage): Promise<void> {
  const { screen, azure, kubernetes } = stage
  const tokenFile = join(stage.directory, 'azure-identity-token')
  await kubernetes.project(tokenFile, EXCHANGE_AUDIENCE)
  screen.line()
  screen.line(title(stage, 'authn-azure by workload identity'))
  screen.done(
    'platform',
    `simulated Entra on ${azure.entra.url}: takes the token of ${SERVICE_ACCOUNT}`,
  )
  await playAgent(stage, {
    name: 'aks-web',
    login: POD_HOST,
    environment: {
      AZURE_FEDERATED_TOKEN_FILE: tokenFile,
      AZURE_CLIENT_ID: CLIENT,
      AZURE_TENANT_ID: TENANT,
      AZURE_AUTHORITY_HOST: `${azure.entra.url}/`,
    },
  })
}

interface Part {
  readonly name: string
  readonly login: string
  readonly environment: Readonly<Record<string, string>>
}

async function playAgent(stage: Stage, { name, login, environment }: Part): Promise<void> {
  const { screen, conjur } = stage
  const directory = join(stage.directory, name)
  await mkdir(directory)
  await conjur.resetCounts()
  const begun = performance.now()
  const agent = await startAgent({
    ...stage,
    directory,
    login,
    authenticator: 'authn-azure/demo',
    environment: { ...stage.environment, ...environment },
  })
  const ms = await screen.waiting('waiting for the first set', firstSet(agent, begun))
  const counts = await conjur.counts()
  const log = agent.log()
  const started = log.find(({ code }) => code === 'STARTED')
  const loggedIn = log.find(({ code }) => code === 'LOGGED_IN')
  screen.done('identity', `${String(started?.['identitySource'])}: ${String(started?.['reason'])}`)
  screen.done(
    'login',
    `${String(loggedIn?.['login'])} with authn-azure/demo, access token for ${String(loggedIn?.['lifeSeconds'])} s`,
  )
  screen.done('agent', firstSetText(ms, counts))
  screen.done('files', listFiles(agent.secrets))
  const ending = await stopAgent(agent)
  screen.done('stop', `SIGTERM; gone after ${Math.round(ending.ms)} ms`)
}

/** The files of the set on one line, with sizes and modes; never a value. */
function listFiles(secrets: string): string {
  return [...lookAt(secrets).values()]
    .filter(({ name, target }) => target === undefined && name !== 'access-token')
    .map(({ name, bytes, mode }) => `${name} ${bytes} bytes ${modeText(mode)}`)
    .join(', ')
}

function title({ screen }: Stage, text: string): string {
  return screen.terminal.paint('dim', `${text}, simulated`)
}
