// Calls a function of binder-client as a program does that has it as a library, and prints what came of it as JSON.
// node call.js PACKAGES list | node call.js PACKAGES call GROUP FUNCTION OPTIONS
const [packages, what, group, name, options] = process.argv.slice(2)
const client = require(packages + '/node_modules/binder-client')
const print = value => console.log(JSON.stringify(value))

if (what === 'list') {
  print(Object.keys(client).flatMap(group => Object.keys(client[group]).map(name => group + '.' + name)))
} else {
  client[group][name](JSON.parse(options), (error, body) => print(error ? { error: error.message } : { body }))
}
