// jsforce against the sandbox org: logs in, describes, queries, pages, writes collections, upserts, reads in bulk, and checks what comes
// back. The org is the one described in tests/it/sandbox_clients.rs.
const assert = require('node:assert/strict')
const { Connection } = require('jsforce')

async function main(url) {
  const oauth2 = { clientId: '3MVG9.sandbox.consumer.key', clientSecret: 'sandbox-consumer-secret', loginUrl: url }
  const org = new Connection({ oauth2, version: '67.0', maxRequest: 5 })
  const user = await org.authorize({ grant_type: 'client_credentials' })
  assert.match(user.id, /^005/)
  assert.equal(org.instanceUrl, url)

  // describe.
  const described = await org.sobject('Lead').describe()
  assert.deepEqual(described.fields.find((field) => field.name === 'OwnerId').referenceTo, ['User', 'Group'])
  assert.ok((await org.describeGlobal()).sobjects.some((one) => one.name === 'Task'))

  // A query, its next page, and the client's own loop over all of them.
  const page = await org.query('SELECT Id, Email FROM Lead ORDER BY Id')
  assert.deepEqual([page.totalSize, page.done, page.records.length], [2500, false, 2000])
  const rest = await org.queryMore(page.nextRecordsUrl)
  assert.deepEqual([rest.done, rest.records.length], [true, 500])
  const all = await org.query('SELECT Id FROM Lead', { autoFetch: true, maxFetch: 10000 })
  assert.equal(all.records.length, 2500)
  const found = await org.sobject('Lead').find({ Email: 'import7@example.com' }, ['Id', 'Owner.Type']).limit(5)
  assert.deepEqual([found.length, found[0].Owner.Type], [1, 'User'])

  // Single rows and collections: one failed row does not spoil the others.
  const headers = { 'Sforce-Auto-Assign': 'FALSE' }
  const made = await org.sobject('Lead').create({ LastName: 'Node', Company: 'Node GmbH' }, { headers })
  assert.ok(made.success && made.id.startsWith('00Q'))
  const many = await org.sobject('Lead').create([{ LastName: 'A', Company: 'x' }, { LastName: 'B' }, { LastName: 'C', Company: 'x' }], { headers })
  assert.deepEqual(many.map((row) => row.success), [true, false, true])
  assert.equal(many[1].errors[0].statusCode, 'REQUIRED_FIELD_MISSING')
  const changed = await org.sobject('Lead').update([{ Id: many[0].id, Title: 'CTO' }, { Id: many[2].id, Title: 'CFO' }], { headers })
  assert.deepEqual(changed.map((row) => row.success), [true, true])
  const read = await org.sobject('Lead').retrieve([many[0].id, many[2].id])
  assert.deepEqual(read.map((row) => row.Title), ['CTO', 'CFO'])

  // Upserts by an external id, alone and in a collection.
  const first = await org.sobject('Task').upsert({ BatonKey__c: 'node-1', Subject: 'Call', WhoId: made.id }, 'BatonKey__c', { headers })
  assert.ok(first.success && first.created)
  const rows = [{ BatonKey__c: 'node-1', Subject: 'Call again' }, { BatonKey__c: 'node-2', Subject: 'Mail', WhoId: made.id }]
  const upserted = await org.sobject('Task').upsert(rows, 'BatonKey__c', { headers })
  assert.deepEqual(upserted.map((row) => [row.success, row.created]), [[true, false], [true, true]])
  const gone = await org.sobject('Task').destroy(upserted.map((row) => row.id))
  assert.deepEqual(gone.map((row) => row.success), [true, true])

  // Errors keep their codes.
  const refused = (code, attempt) => assert.rejects(attempt, (error) => error.errorCode === code || error.name === code)
  await refused('INVALID_FIELD', () => org.query('SELECT Nope FROM Lead'))
  await refused('NOT_FOUND', () => org.sobject('Lead').retrieve('00Q5f0zzzzzzzzzAAA'))
  await refused('INVALID_TYPE', () => org.query('SELECT Id FROM Nothing'))

  // The day's use, and a bulk query.
  assert.equal(org.limitInfo.apiUsage.limit, 100000)
  org.bulk2.pollInterval = 50
  org.bulk2.pollTimeout = 20000
  const stream = await org.bulk2.query("SELECT Id, Company FROM Lead WHERE Email LIKE 'import%'")
  const records = await stream.toArray()
  assert.equal(records.length, 2500)
  assert.equal(records[0].Company, 'Imported "Ltd"\nSecond line')
}

main(process.argv[2]).then(
  () => console.log('jsforce: fine'),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
