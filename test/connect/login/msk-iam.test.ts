import { join } from 'node:path'
import { expect, test } from 'vitest'
import { signerFaults } from '../../../src/connect/kafka/client/options.ts'
import { findSigner, tokensOfAws } from '../../../src/connect/kafka/client/token-providers.ts'
import { folderWith } from '../../support/folder.ts'

const PACKAGE = 'node_modules/aws-msk-iam-sasl-signer-js'
/** Has the one function of AWS's package that is used, with its types. */
const STAND_IN = `exports.generateAuthToken = async ({ region }) => ({
  token: Buffer.from('signed for ' + region).toString('base64url'),
  expiryTime: 1700000900000,
})`

test('the signer is found from a folder, or from another one, and gives the token', async () => {
  const folder = folderWith({
    [`${PACKAGE}/package.json`]: '{ "main": "./dist/index.js" }',
    [`${PACKAGE}/dist/index.js`]: STAND_IN,
    'service/index.js': '',
  })
  const found = findSigner([folderWith({}), join(folder, 'service')])
  expect(found).toBe(join(folder, PACKAGE, 'dist/index.js'))
  const { value, expiresAtMs } = await tokensOfAws('eu-west-1', found ?? '')(NEVER)
  expect(Buffer.from(value, 'base64url').toString()).toBe('signed for eu-west-1')
  expect(expiresAtMs).toBe(1_700_000_900_000)
})

test('without the signer the login is refused with the command that installs it', () => {
  expect(signerFaults(findSigner([folderWith({})]))).toMatchObject([
    {
      message: 'SASL for AWS needs the package aws-msk-iam-sasl-signer-js',
      hint: 'npm install aws-msk-iam-sasl-signer-js',
    },
  ])
})

const NEVER = new AbortController().signal
