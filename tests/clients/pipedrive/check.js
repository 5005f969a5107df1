// Pipedrive's own Node client against the sandbox: lists, gets, searches, makes and changes in both APIs, and checks what comes back.
// The account is the one described in tests/it/sandbox_clients.rs.
const assert = require('node:assert/strict')
const v1 = require('pipedrive/v1')
const v2 = require('pipedrive/v2')

async function main(url) {
  const apiKey = '0123456789abcdef0123456789abcdef01234567'
  const one = new v1.Configuration({ apiKey, basePath: `${url}/api/v1` })
  const two = new v2.Configuration({ apiKey, basePath: `${url}/api/v2` })
  const [leads, notes, users, labels] = [new v1.LeadsApi(one), new v1.NotesApi(one), new v1.UsersApi(one), new v1.LeadLabelsApi(one)]
  const [persons, deals, activities, conversions] =
    [new v2.PersonsApi(two), new v2.DealsApi(two), new v2.ActivitiesApi(two), new v2.LeadsApi(two)]

  // Users, and who we are.
  const me = await users.getCurrentUser()
  assert.equal(me.data.company_domain, 'acme')
  assert.equal((await users.getUsers()).data.length, 2)

  // Persons: pages by cursor to the end, in the order of ids.
  const everyone = []
  let cursor
  do {
    const page = await persons.getPersons({ limit: 100, sort_by: 'id', sort_direction: 'asc', cursor })
    everyone.push(...page.data)
    cursor = page.additional_data.next_cursor
  } while (cursor)
  assert.equal(everyone.length, 230)
  assert.deepEqual(everyone.map((person) => person.id), everyone.map((person) => person.id).sort((a, b) => a - b))
  const window = await persons.getPersons({ updated_since: '2000-01-01T00:00:00Z', updated_until: '2001-01-01T00:00:00Z' })
  assert.equal(window.data.length, 0)
  const some = await persons.getPersons({ ids: `${everyone[0].id},${everyone[1].id},999999` })
  assert.equal(some.data.length, 2)

  // Make, read, search, change.
  const made = await persons.addPerson({
    AddPersonRequest: { name: 'Node Person', emails: [{ value: 'node@clients.example', primary: true, label: 'work' }] },
  })
  const person = made.data.id
  assert.equal((await persons.getPerson({ id: person })).data.emails[0].value, 'node@clients.example')
  const found = await persons.searchPersons({ term: 'node@clients.example', fields: 'email', exact_match: true })
  assert.deepEqual(found.data.items.map((hit) => hit.item.id), [person])
  const changed = await persons.updatePerson({ id: person, UpdatePersonRequest: { job_title: 'CTO' } })
  assert.equal(changed.data.job_title, 'CTO')

  // Leads: v1, with offsets.
  const lead = (await leads.addLead({ AddLeadRequest: { title: 'Node lead', person_id: person, origin_id: 'node' } })).data
  assert.equal(lead.source_name, 'API')
  const hot = (await labels.getLeadLabels()).data.find((label) => label.name === 'Hot')
  const labelled = await leads.updateLead({ id: lead.id, UpdateLeadRequest: { label_ids: [hot.id], owner_id: me.data.id } })
  assert.deepEqual(labelled.data.label_ids, [hot.id])
  const listed = await leads.getLeads({ limit: 5, start: 0, person_id: person })
  assert.deepEqual(listed.data.map((one) => one.id), [lead.id])
  assert.equal(listed.additional_data.more_items_in_collection, false)
  assert.equal((await leads.getLead({ id: lead.id })).data.origin_id, 'node')
  assert.equal((await conversions.searchLeads({ term: 'Node lead' })).data.items[0].item.id, lead.id)

  // Notes and activities on it.
  const note = await notes.addNote({ AddNoteRequest: { content: '<p>from node</p>', lead_id: lead.id } })
  assert.equal((await notes.getNotes({ lead_id: lead.id })).data[0].id, note.data.id)
  const activity = await activities.addActivity({
    AddActivityRequest: { subject: 'Call', type: 'call', lead_id: lead.id, participants: [{ person_id: person, primary: true }] },
  })
  assert.equal(activity.data.person_id, person)
  const done = await activities.updateActivity({ id: activity.data.id, AddActivityRequest: { done: true } })
  assert.ok(done.data.marked_as_done_time)
  assert.equal((await activities.getActivities({ lead_id: lead.id, done: true })).data.length, 1)

  // The lead becomes a deal, is lost, and is no lead any more.
  const job = await conversions.convertLeadToDeal({ id: lead.id, ConvertLeadToDealRequest: {} })
  const status = await conversions.getLeadConversionStatus({ id: lead.id, conversion_id: job.data.conversion_id })
  assert.equal(status.data.status, 'completed')
  const deal = await deals.getDeal({ id: status.data.deal_id, include_fields: 'source_lead_id' })
  assert.equal(deal.data.source_lead_id, lead.id)
  const lost = await deals.updateDeal({ id: deal.data.id, UpdateDealRequest: { status: 'lost', lost_reason: 'Bad timing' } })
  assert.deepEqual([lost.data.status, lost.data.lost_reason], ['lost', 'Bad timing'])
  assert.equal((await deals.getDeals({ person_id: person, status: 'lost' })).data.length, 1)
  await deals.addDeal({ AddDealRequest: { title: 'Node deal', person_id: person } })
  await assert.rejects(leads.getLead({ id: lead.id }), (error) => error.success === false)
}

main(process.argv[2]).catch((error) => {
  // The client throws the answer's body itself.
  console.error(error)
  process.exit(1)
})
