// An OPC UA server with one MachineTool, built from the OPC Foundation's own NodeSets by node-opcua.
//
// Started by peer.py with one argument, a JSON object (see peer.py for the fields). Standard output carries one JSON
// object per line: first {"ready": …}, then one answer, {"done": …} or {"error": …}, per line of standard input, in order.
// It ends on SIGTERM and when standard input closes.
"use strict";

console.log = console.error; // standard output belongs to the answers; the library logs on it too

const path = require("node:path");
const readline = require("node:readline");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { nodesets } = require("node-opcua-nodesets");
const { MessageSecurityMode, SecurityPolicy } = require("node-opcua-secure-channel");
const { OPCUAServer } = require("node-opcua-server");
const { coerceStatusCode } = require("node-opcua-status-code");
const { EUInformation, Range } = require("node-opcua-types");

const URIS = {
  DI: "http://opcfoundation.org/UA/DI/",
  MY: "http://opcfoundation.org/UA/Machinery/",
  IJ: "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/",
  MJ: "http://opcfoundation.org/UA/Machinery/Jobs/",
  MT: "http://opcfoundation.org/UA/MachineTool/",
  VENDOR: "urn:example:vendor:lathe",
};
const OPTIONAL_PARTS = [
  "Identification.Model",
  "Identification.DeviceClass",
  "Identification.SoftwareRevision",
  "Identification.YearOfConstruction",
  "MachineryBuildingBlocks",
  "MachineryBuildingBlocks.JobManagement",
  "MachineryBuildingBlocks.MachineryItemState",
  "MachineryBuildingBlocks.MachineryItemState.CurrentState.Number",
  "MachineryBuildingBlocks.MachineryOperationMode",
  "MachineryBuildingBlocks.MachineryOperationMode.CurrentState.Number",
  "MachineryBuildingBlocks.OperationCounters",
  "MachineryBuildingBlocks.OperationCounters.OperationDuration",
  "Monitoring.MachineTool.FeedOverride",
  "Monitoring.MachineTool.MachineryItemState",
  "Monitoring.MachineTool.MachineryOperationMode",
  "Monitoring.MachineTool.OperationCounters",
  "Monitoring.MachineTool.OperationCounters.PartsProducedInLifetime",
  "Production.ActiveProgram.JobIdentifier",
];
const JOB_STATES = { NotAllowedToStart: 1, AllowedToStart: 2, Running: 3, Interrupted: 4, Ended: 5, Aborted: 6 };
const PERCENT = { namespaceUri: "http://www.opcfoundation.org/UA/units/un/cefact", unitId: 20529, displayName: { text: "%" } };
const HISTORY_LENGTH = 10_000; // values kept for each variable, both for "served" and for HistoryRead

/** The node below `start` at a path of "PREFIX:Name" browse names separated by "/"; "Name" alone is of the base namespace. */
function below(start, browsePath) {
  return browsePath.split("/").reduce((node, step) => {
    const [name, prefix] = step.split(":").reverse();
    const index = prefix ? node.addressSpace.getNamespaceIndex(URIS[prefix]) : 0;
    const found = node
      .findReferencesExAsObject("HierarchicalReferences", 0)
      .find((child) => child.browseName.name === name && child.browseName.namespaceIndex === index);
    if (!found) throw new Error(`${node.browseName} has no ${step}`);
    return found;
  }, start);
}

/** The states of a state machine type by name: a subtype's own states stand before those it inherits. */
function statesOf(machineType) {
  const states = new Map();
  for (let type = machineType; type; type = type.subtypeOfObj) {
    for (const child of type.getComponents()) {
      const number = child.getPropertyByName("StateNumber");
      if (number && !states.has(child.browseName.name)) states.set(child.browseName.name, { id: child.nodeId, number });
    }
  }
  return states;
}

/** A served quantity: writes one or more nodes with one source timestamp and remembers what was served. */
class Quantity {
  constructor(write) {
    this.write = write;
    this.served = [];
  }

  set(value, status = "Good", sourceTime = new Date()) {
    this.write(value, coerceStatusCode(status), sourceTime);
    this.value = value;
    this.served.push([value, sourceTime.toISOString(), status]);
    if (this.served.length > HISTORY_LENGTH) this.served.shift();
    return { value, source_time: sourceTime.toISOString(), status };
  }
}

/** `node`, with its values kept for HistoryRead. */
function historized(node) {
  node.addressSpace.installHistoricalDataNode(node, { maxOnlineValues: HISTORY_LENGTH });
  return node;
}

/** The quantity of one variable. `encode` turns the JSON value into the stack's own. */
function variable(node, dataType, encode = (value) => value) {
  historized(node);
  const arrayType = node.valueRank === 1 ? "Array" : "Scalar";
  return new Quantity((value, status, time) =>
    node.setValueFromSource({ dataType, arrayType, value: encode(value) }, status, time),
  );
}

/** The quantity of a state machine: its value is the name of a state. */
function stateMachine(node) {
  const states = statesOf(node.typeDefinitionObj);
  const current = historized(below(node, "CurrentState"));
  const currentId = historized(below(current, "Id"));
  const currentNumber = historized(below(current, "Number"));
  return new Quantity((name, status, time) => {
    const state = states.get(name);
    if (!state) throw new Error(`no state ${name}; there are ${[...states.keys()].join(", ")}`);
    currentId.setValueFromSource({ dataType: "NodeId", value: state.id }, status, time);
    currentNumber.setValueFromSource({ dataType: "UInt32", value: state.number.readValue().value.value }, status, time);
    current.setValueFromSource({ dataType: "LocalizedText", value: { locale: "en", text: name } }, status, time);
  });
}

/** JSON {"id", "state", "work_master"} as an entry of a JobOrderList (OPC 10031-4 ISA95JobOrderAndStateDataType). */
function jobOrder(space, { id, state, work_master: workMaster }) {
  const type = (name) => space.findDataType(name, space.getNamespaceIndex(URIS.IJ));
  const orderState = { browsePath: { elements: [] }, stateText: { text: state }, stateNumber: JOB_STATES[state] };
  if (!orderState.stateNumber) throw new Error(`no job state ${state}; there are ${Object.keys(JOB_STATES).join(", ")}`);
  const workMasterID = workMaster ? [space.constructExtensionObject(type("ISA95WorkMasterDataType"), { ID: workMaster })] : undefined;
  return space.constructExtensionObject(type("ISA95JobOrderAndStateDataType"), {
    jobOrder: { jobOrderID: id, workMasterID },
    state: [orderState],
  });
}

function setProperty(node, dataType, value) {
  node.setValueFromSource({ dataType, value });
}

function setOverrideRange(node) {
  setProperty(below(node, "EURange"), "ExtensionObject", new Range({ low: 0, high: 120 }));
  setProperty(below(node, "EngineeringUnits"), "ExtensionObject", new EUInformation(PERCENT));
}

/** Adds the machine below Objects/Machines. Returns its quantities by name, each with its first value served. */
function buildMachine(space, identity) {
  const id = (prefix, number) => space.findNode(`ns=${space.getNamespaceIndex(URIS[prefix])};i=${number}`);
  const vendor = space.registerNamespace(URIS.VENDOR);
  const machine = id("MT", 13).instantiate({
    browseName: identity.name,
    namespace: vendor,
    organizedBy: id("MY", 1001),
    optionals: OPTIONAL_PARTS,
  });
  const monitored = (name, typeNumber, optionals) =>
    id("MT", typeNumber).instantiate({ browseName: name, namespace: vendor, componentOf: below(machine, "MT:Monitoring"), optionals });
  const spindle = monitored("Spindle1", 22, ["Override"]);
  const channel = monitored("Channel1", 16, ["RapidOverride"]);
  const added = (browseName, dataType) => vendor.addVariable({ browseName, componentOf: spindle, dataType });

  const at = (browsePath) => below(machine, browsePath);
  for (const [name, dataType, value] of [
    ["DI:Manufacturer", "LocalizedText", { locale: "en", text: identity.manufacturer }],
    ["DI:Model", "LocalizedText", { locale: "en", text: identity.model }],
    ["DI:ProductInstanceUri", "String", identity.product_instance_uri],
    ["DI:SerialNumber", "String", identity.serial_number],
    ["DI:DeviceClass", "String", "Lathe"],
    ["DI:SoftwareRevision", "String", "4.8"],
    ["MY:YearOfConstruction", "UInt16", identity.year],
  ]) {
    setProperty(at(`DI:Identification/${name}`), dataType, value);
  }
  setProperty(below(spindle, "MT:Name"), "String", "Main spindle");
  setProperty(below(channel, "MT:Name"), "String", "Channel 1");
  for (const node of [at("MT:Monitoring/MT:MachineTool/MT:FeedOverride"), below(spindle, "MT:Override")]) setOverrideRange(node);
  for (const name of ["MT:FeedOverride", "MT:RapidOverride"]) setOverrideRange(below(channel, name));
  setProperty(at("MT:Production/MT:ActiveProgram/NumberInList"), "UInt16", 0);

  const blocks = "MY:MachineryBuildingBlocks";
  const counters = `${blocks}/DI:OperationCounters`;
  const uint64 = (value) => [Math.floor(value / 2 ** 32), value >>> 0];
  const quantities = {
    state: stateMachine(at(`${blocks}/MY:MachineryItemState`)),
    mode: stateMachine(at(`${blocks}/MY:MachineryOperationMode`)),
    program_state: stateMachine(at("MT:Production/MT:ActiveProgram/MT:State")),
    program: variable(at("MT:Production/MT:ActiveProgram/MT:Name"), "String"),
    job: variable(at("MT:Production/MT:ActiveProgram/MT:JobIdentifier"), "String"),
    job_orders: variable(at(`${blocks}/MJ:JobManagement/MJ:JobOrderControl/IJ:JobOrderList`), "ExtensionObject", (orders) =>
      orders.map((order) => jobOrder(space, order)),
    ),
    operation_mode: variable(at("MT:Monitoring/MT:MachineTool/MT:OperationMode"), "Int32"),
    feed_override: variable(at("MT:Monitoring/MT:MachineTool/MT:FeedOverride"), "Double"),
    power_on: variable(at(`${counters}/DI:PowerOnDuration`), "Double"),
    operation: variable(at(`${counters}/DI:OperationDuration`), "Double"),
    parts: variable(at(`${counters}/MT:PartsProducedInLifetime`), "UInt64", uint64),
    channel_state: variable(below(channel, "MT:ChannelState"), "Int32"),
    channel_mode: variable(below(channel, "MT:ChannelMode"), "Int32"),
    channel_feed_override: variable(below(channel, "MT:FeedOverride"), "Double"),
    rapid_override: variable(below(channel, "MT:RapidOverride"), "Double"),
    spindle_rotating: variable(below(spindle, "MT:IsRotating"), "Boolean"),
    spindle_override: variable(below(spindle, "MT:Override"), "Double"),
    spindle_load: variable(added("ActLoad", "Double"), "Double"),
    spindle_speed: variable(added("ActSpeed", "Double"), "Double"),
  };
  const first = {
    state: "NotExecuting", mode: "Processing", program_state: "Ended", program: "O0000", job: "", job_orders: [],
    operation_mode: 1, feed_override: 100, power_on: 0, operation: 0, parts: 0, channel_state: 2, channel_mode: 0,
    channel_feed_override: 100, rapid_override: 100, spindle_rotating: false, spindle_override: 100, spindle_load: 0, spindle_speed: 0,
  };
  for (const [name, value] of Object.entries(first)) quantities[name].set(value);
  return quantities;
}

/** Lets the spindle load vary at every tick, ten in a second by default, and the parts counter rise at every tenth. */
class Ticker {
  constructor(quantities) {
    this.quantities = quantities;
    this.count = 0;
  }

  every(seconds) {
    clearInterval(this.timer);
    if (seconds) this.timer = setInterval(() => this.tick(), seconds * 1000);
    return { tick_seconds: seconds };
  }

  tick() {
    const { spindle_load: load, parts } = this.quantities;
    this.count += 1;
    load.set(50 + 40 * Math.sin(this.count / 10));
    if (this.count % 10 === 0) parts.set(parts.value + 1);
  }
}

async function startServer(settings) {
  const store = (name) =>
    new OPCUACertificateManager({
      rootFolder: path.join(settings.folder, name),
      automaticallyAcceptUnknownCertificate: settings.accept_unknown_certificates,
    });
  const server = new OPCUAServer({
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    alternateHostname: "127.0.0.1", // for the certificate's subject alternative names
    port: settings.port,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    allowAnonymous: settings.anonymous,
    userManager: { isValidUser: (name, password) => Object.hasOwn(settings.users, name) && settings.users[name] === password },
    serverCertificateManager: store("pki"),
    userCertificateManager: store("user-pki"),
    serverInfo: { applicationUri: "urn:example:vendor:lathe:server", applicationName: { text: "Lathe" } },
    buildInfo: { productName: "Lathe", manufacturerName: settings.identity.manufacturer },
    nodeset_filename: ["standard", "di", "ia", "machinery", "isa95JobControl", "machineryJobs", "machineTool"].map((name) => nodesets[name]),
  });
  await server.initialize();
  const quantities = buildMachine(server.engine.addressSpace, settings.identity);
  await server.start();
  return { server, quantities };
}

function answer(command, quantities, ticker) {
  if (command.set in quantities) {
    const time = command.source_time ? new Date(command.source_time) : undefined;
    return quantities[command.set].set(command.value, command.status, time);
  }
  if (command.served in quantities) return quantities[command.served].served;
  if ("tick_seconds" in command) return ticker.every(command.tick_seconds);
  throw new Error(`unknown command; quantities are ${Object.keys(quantities).join(", ")}`);
}

async function main() {
  const settings = JSON.parse(process.argv[2]);
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const { server, quantities } = await startServer(settings);
  const ticker = new Ticker(quantities);
  ticker.every(settings.tick_seconds);

  const stop = async () => {
    ticker.every(null);
    await server.shutdown();
    process.exit(0);
  };
  process.once("SIGTERM", stop);
  readline
    .createInterface({ input: process.stdin })
    .on("line", (line) => {
      try {
        say({ done: answer(JSON.parse(line), quantities, ticker) });
      } catch (error) {
        say({ error: error.message });
      }
    })
    .once("close", stop);
  say({ ready: `opc.tcp://127.0.0.1:${server.endpoints[0].port}`, certificate: server.certificateFile });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
