// An OPC UA server with one MachineTool, built from the OPC Foundation's own NodeSets by node-opcua.
//
// Started by peer.py with one argument, a JSON object (see peer.py for the fields). Standard output carries one JSON
// object per line: first {"ready": …}, then for each line of standard input one answer, {"done": …} or {"error": …}, in
// order. It ends on SIGTERM and when standard input closes.
"use strict";

console.log = console.error; // standard output belongs to the answers; the library logs on it too

const { X509Certificate } = require("node:crypto");
const { readFileSync } = require("node:fs");
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
// In load order.
const NODESETS = ["standard", "di", "ia", "machinery", "isa95JobControl", "machineryJobs", "machineTool"];
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
  "MachineryBuildingBlocks.JobManagement.JobOrderResults.JobOrderResponseList",
  "Notification.Messages",
  "Notification.Prognoses",
  "Notification.Prognoses.NodeVersion",
  "Equipment.Tools",
  "Equipment.Tools.NodeVersion",
  "Production.ActiveProgram.JobIdentifier",
];
const JOB_STATES = { NotAllowedToStart: 1, AllowedToStart: 2, Running: 3, Interrupted: 4, Ended: 5, Aborted: 6 };
const PERCENT = {
  namespaceUri: "http://www.opcfoundation.org/UA/units/un/cefact",
  unitId: 20529, // "P1" of UNECE Recommendation 20 (OPC 10000-8, EUInformation)
  displayName: { text: "%" },
};
const HISTORY_LENGTH = 10_000; // values kept for each variable, both for "served" and for HistoryRead

/** The node below `start` at a path of browse names "PREFIX:Name", separated by "/"; no prefix, the base namespace. */
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

/** A served quantity: writes its nodes, one or more, with one source timestamp and remembers what was served. */
class Quantity {
  constructor(nodes, write) {
    this.nodes = nodes;
    this.write = write;
    this.served = [];
  }

  /** Serves the first value, with which the history of its nodes begins. */
  start(value) {
    this.set(value);
    for (const node of this.nodes) {
      node.addressSpace.installHistoricalDataNode(node, { maxOnlineValues: HISTORY_LENGTH });
    }
  }

  set(value, status = "Good", sourceTime = new Date()) {
    this.write(value, coerceStatusCode(status), sourceTime);
    this.value = value;
    this.served.push([value, sourceTime.toISOString(), status]);
    if (this.served.length > HISTORY_LENGTH) this.served.shift();
    return { value, source_time: sourceTime.toISOString(), status };
  }
}

/** The quantity of one variable. `encode` turns the JSON value into the stack's own. */
function variable(node, dataType, encode = (value) => value) {
  const arrayType = node.valueRank === 1 ? "Array" : "Scalar";
  return new Quantity([node], (value, status, time) =>
    node.setValueFromSource({ dataType, arrayType, value: encode(value) }, status, time),
  );
}

/** The quantity of a state machine: its value is the name of a state. */
function stateMachine(node) {
  const states = statesOf(node.typeDefinitionObj);
  const current = below(node, "CurrentState");
  const currentId = below(current, "Id");
  const currentNumber = below(current, "Number");
  return new Quantity([current, currentId, currentNumber], (name, status, time) => {
    const state = states.get(name);
    if (!state) throw new Error(`no state ${name}; there are ${[...states.keys()].join(", ")}`);
    currentId.setValueFromSource({ dataType: "NodeId", value: state.id }, status, time);
    currentNumber.setValueFromSource({ dataType: "UInt32", value: state.number.readValue().value.value }, status, time);
    current.setValueFromSource({ dataType: "LocalizedText", value: { locale: "en", text: name } }, status, time);
  });
}

/** JSON {"id", "state", "work_master"} as an entry of a JobOrderList (OPC 10031-4 ISA95JobOrderAndStateDataType). */
function jobOrder(space, { id, state, work_master: workMaster, parameters: told }) {
  const type = (name) => space.findDataType(name, space.getNamespaceIndex(URIS.IJ));
  const stateNumber = JOB_STATES[state];
  if (!stateNumber) throw new Error(`no job state ${state}; there are ${Object.keys(JOB_STATES).join(", ")}`);
  const workMasterType = type("ISA95WorkMasterDataType");
  const workMasters = workMaster && [space.constructExtensionObject(workMasterType, { ID: workMaster })];
  return space.constructExtensionObject(type("ISA95JobOrderAndStateDataType"), {
    jobOrder: {
      jobOrderID: id,
      workMasterID: workMasters,
      jobOrderParameters: told && parameters(space, told),
    },
    state: [{ browsePath: { elements: [] }, stateText: { text: state }, stateNumber }],
  });
}

/** A JSON parameter list {"OrderNumbers": ["String", ["PO-1"]]} as ISA95ParameterDataType. */
function parameters(space, told) {
  const type = space.findDataType("ISA95ParameterDataType", space.getNamespaceIndex(URIS.IJ));
  return Object.entries(told).map(([id, [dataType, value]]) =>
    space.constructExtensionObject(type, {
      ID: id,
      value: { dataType, arrayType: Array.isArray(value) ? "Array" : "Scalar", value },
    }),
  );
}

/** JSON {"id", "state", "data"} as an entry of a JobOrderResponseList (OPC 10031-4 ISA95JobResponseDataType). */
function jobResponse(space, { id, state, data }) {
  const type = space.findDataType("ISA95JobResponseDataType", space.getNamespaceIndex(URIS.IJ));
  return space.constructExtensionObject(type, {
    jobResponseID: `${id}-response`,
    jobOrderID: id,
    jobState: [{ browsePath: { elements: [] }, stateText: { text: state }, stateNumber: JOB_STATES[state] }],
    jobResponseData: parameters(space, data),
  });
}

/** Alarms, messages, job events, tools and prognoses of the machine: what happens, and what comes and goes. */
class Happenings {
  constructor({ machine, spindle }) {
    this.machine = machine;
    this.space = machine.addressSpace;
    this.namespace = this.space.getNamespace(URIS.VENDOR);
    this.messages = below(machine, "MT:Notification/MT:Messages");
    this.control = below(machine, "MY:MachineryBuildingBlocks/MJ:JobManagement/MJ:JobOrderControl");
    this.spindle = spindle;
    this.alarms = new Map();
    this.members = new Map();
    const server = this.space.rootFolder.objects.server;
    for (const notifier of [this.messages, this.control]) {
      notifier.setEventNotifier(1);
      server.addReference({ referenceType: "HasNotifier", nodeId: notifier.nodeId });
    }
    this.messages.addReference({ referenceType: "HasEventSource", nodeId: spindle.nodeId });
    this.space.installAlarmsAndConditionsService?.();
  }

  type(number, prefix = "MT") {
    return this.space.findNode(`ns=${this.space.getNamespaceIndex(URIS[prefix])};i=${number}`);
  }

  alarm({ name, code, text, severity, active }) {
    let alarm = this.alarms.get(name);
    if (!alarm) {
      alarm = this.namespace.instantiateAlarmCondition(this.type(39), {
        browseName: name,
        conditionName: name,
        conditionOf: this.messages,
        conditionSource: this.spindle,
        inputNode: below(this.spindle, "VENDOR:ActLoad"),
      });
      setProperty(below(alarm, "MT:ErrorCode"), "String", code);
      alarm.setEnabledState(true);
      this.alarms.set(name, alarm);
    }
    if (active) {
      alarm.activateAlarm();
    } else {
      alarm.deactivateAlarm(false);
    }
    alarm.raiseNewCondition({ message: text, severity, retain: active, quality: coerceStatusCode("Good") });
    return { name, active };
  }

  message({ code, text, severity }) {
    this.messages.raiseEvent(this.type(35), {
      message: { dataType: "LocalizedText", value: { text } },
      severity: { dataType: "UInt16", value: severity },
      identifier: { dataType: "String", value: code },
    });
    return { code };
  }

  jobStatus(told) {
    const order = jobOrder(this.space, told);
    this.control.raiseEvent(this.type(1006, "IJ"), {
      jobOrder: { dataType: "ExtensionObject", value: order.jobOrder },
      jobState: { dataType: "ExtensionObject", arrayType: "Array", value: order.state },
      jobResponse: { dataType: "ExtensionObject", value: jobResponse(this.space, { ...told, data: told.data ?? {} }) },
    });
    return { id: told.id };
  }

  tool({ name, number, locked, life, limit }) {
    const optionals = ["Name", "Location", "ToolLife"];
    const tool = this.add(50, name, below(this.machine, "MT:Equipment/MT:Tools"), optionals);
    setProperty(below(tool, "MT:ControlIdentifier1"), "UInt32", number);
    setProperty(below(tool, "MT:Name"), "String", name);
    setProperty(below(tool, "MT:Location/MT:Name"), "String", "Magazine");
    setProperty(below(tool, "MT:Location/MT:PlaceNumber"), "UInt16", number);
    setProperty(below(tool, "MT:Locked"), "Boolean", locked);
    setProperty(below(tool, "MT:Locked/MT:ReasonForLocking"), "Int32", 3);
    const entry = this.type(61).instantiate({
      browseName: "Minutes",
      namespace: this.namespace,
      componentOf: below(tool, "MT:ToolLife"),
      dataType: "Double",
      optionals: ["LimitValue"],
    });
    setProperty(entry, "Double", life);
    setProperty(below(entry, "MT:LimitValue"), "Double", limit);
    setProperty(below(entry, "MT:Indication"), "Int32", 0);
    setProperty(below(entry, "MT:IsCountingUp"), "Boolean", true);
    const minutes = { ...PERCENT, unitId: 5064014, displayName: { text: "min" } };
    setProperty(below(entry, "MT:EngineeringUnits"), "ExtensionObject", new EUInformation(minutes));
    return { name };
  }

  /** A counter of OPC 40001-1, 15.2; what is told again of one that is there counts on. */
  lifetime({ name, value, start, limit, warnings, unit }) {
    const known = this.members.get(name);
    const counter = known ?? this.addLifetime(name, warnings !== undefined);
    setProperty(counter, "Double", value);
    if (known) return { name };
    setProperty(below(counter, "DI:StartValue"), "Double", start);
    setProperty(below(counter, "DI:LimitValue"), "Double", limit);
    const units = { ...PERCENT, unitId: unit.id, displayName: { text: unit.symbol } };
    setProperty(below(counter, "EngineeringUnits"), "ExtensionObject", new EUInformation(units));
    if (warnings) {
      const levels = { dataType: "Double", arrayType: "Array", value: Float64Array.from(warnings) };
      below(counter, "DI:WarningValues").setValueFromSource(levels);
    }
    return { name };
  }

  addLifetime(browseName, warns) {
    const counters = below(this.machine, "MY:MachineryBuildingBlocks/MY:LifetimeCounters");
    const counter = this.type(468, "DI").instantiate({
      browseName,
      namespace: this.namespace,
      componentOf: counters,
      dataType: "Double",
      optionals: warns ? ["WarningValues"] : [],
    });
    this.members.set(browseName, counter);
    return counter;
  }

  prognosis({ name, type, predicted, details }) {
    const optionals = ["ToolName", "ToolIdentifier", "PartIdentifier"];
    const prognosis = this.add(type, name, below(this.machine, "MT:Notification/MT:Prognoses"), optionals);
    setProperty(below(prognosis, "MT:PredictedTime"), "DateTime", new Date(predicted));
    for (const [key, [dataType, value]] of Object.entries(details)) {
      setProperty(below(prognosis, `MT:${key}`), dataType, dataType === "LocalizedText" ? { text: value } : value);
    }
    return { name };
  }

  add(number, browseName, componentOf, optionals) {
    let made;
    this.space.modelChangeTransaction(() => {
      made = this.type(number).instantiate({ browseName, namespace: this.namespace, componentOf, optionals });
    });
    this.members.set(browseName, made);
    return made;
  }

  remove(name) {
    this.space.modelChangeTransaction(() => this.space.deleteNode(this.members.get(name)));
    this.members.delete(name);
    return { name };
  }
}

function setProperty(node, dataType, value) {
  node.setValueFromSource({ dataType, value });
}

function setOverrideRange(node) {
  setProperty(below(node, "EURange"), "ExtensionObject", new Range({ low: 0, high: 120 }));
  setProperty(below(node, "EngineeringUnits"), "ExtensionObject", new EUInformation(PERCENT));
}

/** Adds the machine below Objects/Machines, with one spindle and one channel. */
function addMachine(space, identity) {
  const type = (number) => space.findNode(`ns=${space.getNamespaceIndex(URIS.MT)};i=${number}`);
  const namespace = space.registerNamespace(URIS.VENDOR);
  const machine = type(13).instantiate({
    browseName: identity.name,
    namespace,
    organizedBy: space.findNode(`ns=${space.getNamespaceIndex(URIS.MY)};i=1001`),
    optionals: OPTIONAL_PARTS,
  });
  const componentOf = below(machine, "MT:Monitoring");
  const spindle = type(22).instantiate({ browseName: "Spindle1", namespace, componentOf, optionals: ["Override"] });
  const optionals = ["RapidOverride"];
  const channel = type(16).instantiate({ browseName: "Channel1", namespace, componentOf, optionals });
  const my = space.getNamespaceIndex(URIS.MY);
  space.findNode(`ns=${my};i=1015`).instantiate({
    browseName: { name: "LifetimeCounters", namespaceIndex: my },
    namespace,
    componentOf: below(machine, "MY:MachineryBuildingBlocks"),
  });
  for (const browseName of ["ActLoad", "ActSpeed"]) {
    namespace.addVariable({ browseName, componentOf: spindle, dataType: "Double" });
  }
  return { machine, spindle, channel };
}

/** Writes what never changes: nameplate, names, units and ranges. */
function describe({ machine, spindle, channel }, identity) {
  for (const [name, dataType, value] of [
    ["DI:Manufacturer", "LocalizedText", { locale: "en", text: identity.manufacturer }],
    ["DI:Model", "LocalizedText", { locale: "en", text: identity.model }],
    ["DI:ProductInstanceUri", "String", identity.product_instance_uri],
    ["DI:SerialNumber", "String", identity.serial_number],
    ["DI:DeviceClass", "String", "Lathe"],
    ["DI:SoftwareRevision", "String", "4.8"],
    ["MY:YearOfConstruction", "UInt16", identity.year],
  ]) {
    setProperty(below(machine, `DI:Identification/${name}`), dataType, value);
  }
  setProperty(below(machine, "MT:Production/MT:ActiveProgram/NumberInList"), "UInt16", 0);
  setProperty(below(spindle, "MT:Name"), "String", "Main spindle");
  setProperty(below(channel, "MT:Name"), "String", "Channel 1");
  setOverrideRange(below(machine, "MT:Monitoring/MT:MachineTool/MT:FeedOverride"));
  setOverrideRange(below(spindle, "MT:Override"));
  setOverrideRange(below(channel, "MT:FeedOverride"));
  setOverrideRange(below(channel, "MT:RapidOverride"));
}

/** What changes, by the name that {"set": …} uses, each with its first value served. */
function quantitiesOf({ machine, spindle, channel }) {
  const blocks = below(machine, "MY:MachineryBuildingBlocks");
  const counters = below(blocks, "DI:OperationCounters");
  const operation = below(machine, "MT:Monitoring/MT:MachineTool");
  const program = below(machine, "MT:Production/MT:ActiveProgram");
  const orders = below(blocks, "MJ:JobManagement/MJ:JobOrderControl/IJ:JobOrderList");
  const responses = below(blocks, "MJ:JobManagement/MJ:JobOrderResults/IJ:JobOrderResponseList");
  const jobResponses = (values) => values.map((value) => jobResponse(machine.addressSpace, value));
  const jobOrders = (values) => values.map((value) => jobOrder(machine.addressSpace, value));
  const uint64 = (value) => [Math.floor(value / 2 ** 32), value >>> 0];
  const started = (quantity, first) => {
    quantity.start(first);
    return quantity;
  };
  return {
    state: started(stateMachine(below(blocks, "MY:MachineryItemState")), "NotExecuting"),
    mode: started(stateMachine(below(blocks, "MY:MachineryOperationMode")), "Processing"),
    job_orders: started(variable(orders, "ExtensionObject", jobOrders), []),
    job_responses: started(variable(responses, "ExtensionObject", jobResponses), []),
    program_state: started(stateMachine(below(program, "MT:State")), "Ended"),
    program: started(variable(below(program, "MT:Name"), "String"), "O0000"),
    job: started(variable(below(program, "MT:JobIdentifier"), "String"), ""),
    operation_mode: started(variable(below(operation, "MT:OperationMode"), "Int32"), 1),
    feed_override: started(variable(below(operation, "MT:FeedOverride"), "Double"), 100),
    power_on: started(variable(below(counters, "DI:PowerOnDuration"), "Double"), 0),
    operation: started(variable(below(counters, "DI:OperationDuration"), "Double"), 0),
    parts: started(variable(below(counters, "MT:PartsProducedInLifetime"), "UInt64", uint64), 0),
    channel_state: started(variable(below(channel, "MT:ChannelState"), "Int32"), 2),
    channel_mode: started(variable(below(channel, "MT:ChannelMode"), "Int32"), 0),
    channel_feed_override: started(variable(below(channel, "MT:FeedOverride"), "Double"), 100),
    rapid_override: started(variable(below(channel, "MT:RapidOverride"), "Double"), 100),
    spindle_rotating: started(variable(below(spindle, "MT:IsRotating"), "Boolean"), false),
    spindle_override: started(variable(below(spindle, "MT:Override"), "Double"), 100),
    spindle_load: started(variable(below(spindle, "VENDOR:ActLoad"), "Double"), 0),
    spindle_speed: started(variable(below(spindle, "VENDOR:ActSpeed"), "Double"), 0),
  };
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
  const isValidUser = (name, password) => Object.hasOwn(settings.users, name) && settings.users[name] === password;
  const store = (name) =>
    new OPCUACertificateManager({
      rootFolder: path.join(settings.folder, name),
      automaticallyAcceptUnknownCertificate: settings.accept_unknown_certificates,
      disableFileWatchers: true, // {"trust": …} tells it
    });
  const server = new OPCUAServer({
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    alternateHostname: "127.0.0.1", // for the certificate's subject alternative names
    port: settings.port,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: settings.policies.map((name) => SecurityPolicy[name]),
    allowAnonymous: settings.anonymous,
    userManager: { isValidUser },
    serverCertificateManager: store("pki"),
    userCertificateManager: store("user-pki"),
    serverInfo: { applicationUri: "urn:example:vendor:lathe:server", applicationName: { text: "Lathe" } },
    buildInfo: { productName: "Lathe", manufacturerName: settings.identity.manufacturer },
    serverCapabilities: { minSupportedSampleRate: 0 }, // sampling interval 0 gets every change
    nodeset_filename: NODESETS.map((name) => nodesets[name]),
  });
  await server.initialize();
  const parts = addMachine(server.engine.addressSpace, settings.identity);
  describe(parts, settings.identity);
  const quantities = quantitiesOf(parts);
  const happenings = new Happenings(parts);
  await server.start();
  return { server, quantities, happenings };
}

async function answer(command, server, quantities, ticker, happenings) {
  for (const name of ["alarm", "message", "jobStatus", "tool", "lifetime", "prognosis", "remove"]) {
    if (command[name]) return happenings[name](command[name]);
  }
  if (command.set in quantities) {
    const time = command.source_time ? new Date(command.source_time) : undefined;
    return quantities[command.set].set(command.value, command.status, time);
  }
  if (command.served in quantities) return quantities[command.served].served;
  if ("tick_seconds" in command) return ticker.every(command.tick_seconds);
  if (command.trust) {
    await server.serverCertificateManager.trustCertificate(new X509Certificate(readFileSync(command.trust)).raw);
    return command;
  }
  throw new Error(`unknown command; quantities are ${Object.keys(quantities).join(", ")}`);
}

async function main() {
  const settings = JSON.parse(process.argv[2]);
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const { server, quantities, happenings } = await startServer(settings);
  const ticker = new Ticker(quantities);
  ticker.every(settings.tick_seconds);

  const commands = readline.createInterface({ input: process.stdin });
  process.once("SIGTERM", () => commands.close());
  say({ ready: `opc.tcp://127.0.0.1:${server.endpoints[0].port}`, certificate: server.certificateFile });
  for await (const line of commands) {
    try {
      say({ done: await answer(JSON.parse(line), server, quantities, ticker, happenings) });
    } catch (error) {
      say({ error: error.message });
    }
  }
  ticker.every(null);
  await server.shutdown();
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
