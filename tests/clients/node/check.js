// HubSpot's Node client against the sandbox: lists, searches, pages, reads, updates and creates, and checks what comes back.
// The portal is the one described in tests/it/sandbox_clients.rs.
const assert = require('node:assert/strict')
const { Client } = require('@hubspot/api-client')

async function main(url) {
  const api = new Client({ accessToken: 'pat-na1-sandbox', basePath: url, numberOfApiCallRetries: 0 })
  const { contacts, companies, owners, lists, associations, properties, objects } = api.crm

  // Pages by `after`, and the client's own loop over them.
  const page = await contacts.basicApi.getPage(100, undefined, ['email'])
  assert.equal(page.results.length, 100)
  const next = await contacts.basicApi.getPage(100, page.paging.next.after, ['email'])
  assert.ok(Number(next.results[0].id) > Number(page.results[99].id))
  const everyone = await contacts.getAll(undefined, undefined, ['email'])
  const known = new Set(everyone.map((contact) => contact.properties.email))
  for (let at = 0; at < 230; at += 1) assert.ok(known.has(`p${at}@clients.example`), `p${at}`)
  assert.ok(everyone[0].createdAt instanceof Date)

  // Search: filter, sort, second page.
  const request = {
    filterGroups: [{ filters: [{ propertyName: 'lifecyclestage', operator: 'EQ', value: 'marketingqualifiedlead' }] }],
    sorts: ['hs_object_id'],
    properties: ['email'],
    limit: 20,
  }
  const found = await contacts.searchApi.doSearch(request)
  assert.deepEqual([found.total, found.results.length], [23, 20])
  const rest = await contacts.searchApi.doSearch({ ...request, after: found.paging.next.after })
  assert.equal(rest.results.length, 3)

  // Batch read, with history.
  const [one, two] = [everyone[2].id, everyone[3].id]
  const read = await contacts.batchApi.read({
    properties: ['email'],
    propertiesWithHistory: ['lifecyclestage'],
    inputs: [{ id: one }, { id: two }],
  })
  assert.deepEqual(new Set(read.results.map((row) => row.id)), new Set([one, two]))
  assert.equal(read.results[0].propertiesWithHistory.lifecyclestage[0].sourceType, 'FORM')

  // Single reads and writes.
  const owner = (await owners.ownersApi.getPage('owner@clients.example')).results[0]
  const changed = await contacts.basicApi.update(one, { properties: { hubspot_owner_id: owner.id, hs_lead_status: 'OPEN' } })
  assert.equal(changed.properties.hubspot_owner_id, owner.id)
  const created = await contacts.basicApi.create({ properties: { email: 'node@clients.example' } })
  const same = await contacts.basicApi.getById('node@clients.example', ['email'], undefined, undefined, false, 'email')
  assert.equal(same.id, created.id)
  const batch = await contacts.batchApi.update({
    inputs: [one, two].map((id) => ({ id, properties: { jobtitle: 'CFO' } })),
  })
  assert.deepEqual(batch.results.map((row) => row.properties.jobtitle), ['CFO', 'CFO'])
  const made = await contacts.batchApi.create({
    inputs: [0, 1].map((at) => ({ properties: { email: `js${at}@clients.example` } })),
  })
  assert.equal(made.results.length, 2)

  // Errors keep their bodies.
  const refused = async (status, category, attempt) => {
    await assert.rejects(attempt, (error) => error.code === status && error.body.category === category)
  }
  await refused(409, 'CONFLICT', () => contacts.basicApi.create({ properties: { email: 'p0@clients.example' } }))
  await refused(400, 'VALIDATION_ERROR', () => contacts.basicApi.update(one, { properties: { nosuch: 'x' } }))
  await refused(404, 'OBJECT_NOT_FOUND', () => contacts.basicApi.getById('999'))

  // A task with its association, companies, associations in batches.
  const task = await objects.basicApi.create('tasks', {
    properties: { hs_timestamp: '2026-12-01T15:00:00Z', hs_task_subject: 'Call', hs_task_status: 'NOT_STARTED' },
    associations: [{ to: { id: one }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 204 }] }],
  })
  assert.ok(task.id)
  const company = await companies.basicApi.create({ properties: { name: 'Node GmbH' }, associations: [] })
  const types = [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 1 }]
  const joined = await associations.v4.batchApi.create('contacts', 'companies', {
    inputs: [one, two].map((id) => ({ _from: { id }, to: { id: company.id }, types })),
  })
  assert.equal(joined.results.length, 2)
  const rows = (await associations.v4.batchApi.getPage('contacts', 'companies', { inputs: [{ id: one }] })).results
  const last = rows[0].to[rows[0].to.length - 1]
  assert.equal(String(last.toObjectId), company.id)
  assert.deepEqual(new Set(last.associationTypes.map((each) => each.typeId)), new Set([1, 279]))

  // Lists and definitions.
  const list = (await lists.listsApi.create({ name: 'Node list', objectTypeId: '0-1', processingType: 'MANUAL' })).list
  assert.equal((await lists.listsApi.getByName('Node list', '0-1')).list.listId, list.listId)
  const added = await lists.membershipsApi.add(list.listId, [one, '999'])
  assert.deepEqual([added.recordsIdsAdded, added.recordIdsMissing], [[one], ['999']])
  const stage = await properties.coreApi.getByName('contacts', 'lifecyclestage')
  assert.equal(stage.options.length, 8)
}

main(process.argv[2]).then(
  () => console.log('node client: fine'),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
