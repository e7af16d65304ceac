// SPDX-License-Identifier: Apache-2.0
import Wire

/// The JSON Schema of a policy's file: its keys are those of the parser's own tables.
///
/// It says what can be said of a text without looking anything up: keys, kinds of values, words. What names mean, and
/// what goes with what, `check` tells.
public enum PolicySchema {
    /// The schema, as JSON text.
    public static var text: String { schema.json() + "\n" }

    private static let schema: SchemaValue = {
        var fields = [
            SchemaField(key: "$schema", value: .text("https://json-schema.org/draft/2020-12/schema")),
            SchemaField(key: "title", value: .text("Bulkhead policy")),
        ]
        guard case .map(let document) = SchemaShapes.mapping(DocumentLoader.keys, sections) else { return .map(fields) }
        fields += document
        let definitions = Self.definitions.sorted { $0.key < $1.key }.map { SchemaField(key: $0.key, value: $0.value) }
        return .map(fields + [SchemaField(key: "$defs", value: .map(definitions))])
    }()

    /// Keys that the parser reads and no shape is known of; they take anything.
    static var keysWithoutShape: [String] {
        let tables: [(String, [String], [String: SchemaValue])] = [
            ("", DocumentLoader.keys, sections), ("ports.", PortParser.keys, port), ("rules.", RuleParser.keys, rule),
            ("match.", MatchParser.keys, match), ("limit.", LimitSyntax.keys, limit),
            ("prefix.", LimitSyntax.prefixKeys, prefix), ("groups.", GroupTable.keys, group),
            ("dynamic.", GroupTable.dynamicKeys, dynamic), ("defaults.", WrittenDefaults.keys, defaults),
            ("services.", ServiceParser.longKeys, service), ("assertions.", AssertionParser.keys, assertion),
            ("layers.", LayeredRules.keys, layer), ("include.", DocumentLoader.includeKeys, include),
        ]
        return tables.flatMap { name, keys, shapes in keys.filter { shapes[$0] == nil }.map { name + $0 } }
    }

    private typealias Shapes = SchemaShapes

    // MARK: The document

    private static let sections: [String: SchemaValue] = [
        "version": .map(["enum": .list([.number(1), .text("1")])]),
        "include": Shapes.any([
            Shapes.oneOrMore(
                Shapes.any([
                    Shapes.text,
                    Shapes.mapping(
                        DocumentLoader.includeKeys, include, required: DocumentLoader.includeKeys),
                ]), least: 0),
            .map(["type": .text("null")]),
        ]),
        "ports": Shapes.named(Shapes.reference("port")), "groups": Shapes.named(Shapes.reference("group")),
        "services": Shapes.named(Shapes.reference("service")),
        "defaults": Shapes.any([
            Shapes.mapping(WrittenDefaults.keys, defaults), .map(["type": .text("null")]),
        ]),
        "layers": Shapes.listOrNothing(Shapes.mapping(LayeredRules.keys, layer, required: ["name"])),
        "rules": Shapes.listOrNothing(Shapes.reference("rule")),
        "assertions": Shapes.listOrNothing(
            Shapes.mapping(AssertionParser.keys, assertion, required: ["name", "expect"])),
    ]

    private static let definitions: [String: SchemaValue] = [
        "port": Shapes.mapping(PortParser.keys, port, other: [oneSelector]),
        "group": Shapes.mapping(GroupTable.keys, group),
        "groupInPlace": Shapes.mapping(
            GroupTable.inPlaceKeys, group, other: [SchemaField(key: "minProperties", value: .number(1))]),
        "end": Shapes.oneOrMore(Shapes.any([Shapes.address, Shapes.reference("groupInPlace")])),
        "service": Shapes.oneOrMore(
            Shapes.any([
                Shapes.pattern("[A-Za-z0-9._-]+(/[A-Za-z0-9.*,_-]+){0,2}"),
                Shapes.mapping(ServiceParser.longKeys, service),
            ])),
        "rule": Shapes.mapping(
            RuleParser.keys, rule, required: ["name", "action"],
            other: [
                SchemaField(
                    key: "dependentSchemas",
                    value: .map([
                        "within": .map([
                            "properties": .map(["from": .bool(false), "to": .bool(false)])
                        ])
                    ]))
            ]),
    ]

    /// An entry of ports means devices in one way.
    private static let oneSelector = SchemaField(
        key: "oneOf",
        value: .list(["interface", "bridge", "workload"].map { .map(["required": .texts([$0])]) }))

    private static let include: [String: SchemaValue] = [
        "files": Shapes.oneOrMore(Shapes.text), "layers": Shapes.oneOrMore(Shapes.name),
    ]

    private static let layer: [String: SchemaValue] = [
        "name": Shapes.name, "rules": Shapes.listOrNothing(Shapes.reference("rule")),
    ]

    private static let defaults: [String: SchemaValue] = [
        "in": Shapes.words(Action.verdicts.map(\.rawValue)), "out": Shapes.words(Action.verdicts.map(\.rawValue)),
        "essentials": Shapes.onOff, "adopt": Shapes.duration, "tcp": Shapes.words(PortEntry.TCPWindows.self),
    ]

    // MARK: Ports, groups, services

    private static let interface = Shapes.any([
        Shapes.pattern("[^\\s/:]{1,128}"), .map(["type": .text("integer"), "minimum": .number(0)]),
    ])

    private static let port: [String: SchemaValue] = [
        "interface": Shapes.oneOrMore(interface), "bridge": interface, "workload": workload, "netns": Shapes.text,
        "protects": Shapes.words(Protects.self), "mac": Shapes.oneOrMore(Shapes.mac, least: 0),
        "addresses": Shapes.oneOrMore(Shapes.address, least: 0), "shared": Shapes.oneOrMore(Shapes.address, least: 0),
        "groups": Shapes.oneOrMore(Shapes.name, least: 0),
        "guard": Shapes.any([
            Shapes.words(["strict", "off"] + Guard.allCases.map(\.rawValue)), .map(["enum": .list([.bool(false)])]),
            .map(["type": .text("array"), "items": Shapes.words(Guard.self)]),
        ]),
        "vlans": Shapes.any([
            Shapes.words(["none", "any"]), .map(["type": .text("array"), "items": tag]),
        ]),
        "defaults": Shapes.mapping(WrittenDefaults.portKeys, defaults), "mode": Shapes.words(PortEntry.Mode.self),
        "maxFlows": Shapes.number(1...PortEntry.flowTableSize), "tcp": Shapes.words(PortEntry.TCPWindows.self),
        "unknown": Shapes.words(PortParser.Unknown.self), "gate": Shapes.words(PortEntry.Gate.self),
    ]

    private static let workload = Shapes.oneOrMore(
        Shapes.any([
            Shapes.text,
            .map(["type": .text("object"), "minProperties": .number(1), "additionalProperties": Shapes.text]),
        ]))

    /// A VLAN tag, or a range of them.
    private static let tag = Shapes.any([
        .map(["type": .text("integer"), "minimum": .number(0), "maximum": .number(4094)]),
        Shapes.pattern("[0-9]{1,4}(-[0-9]{1,4})?"),
    ])

    private static let group: [String: SchemaValue] = [
        "addresses": Shapes.oneOrMore(Shapes.address, least: 0), "files": Shapes.oneOrMore(Shapes.text, least: 0),
        "ports": Shapes.oneOrMore(Shapes.text, least: 0), "groups": Shapes.oneOrMore(Shapes.name, least: 0),
        "workloads": workload,
        "all": Shapes.oneOrMore(Shapes.address, least: 0), "except": Shapes.oneOrMore(Shapes.address, least: 0),
        "dynamic": Shapes.mapping(GroupTable.dynamicKeys, dynamic),
    ]

    private static let dynamic: [String: SchemaValue] = [
        "max": Shapes.number(1...DynamicGroup.largestMaximum), "timeout": Shapes.duration,
    ]

    private static let service: [String: SchemaValue] = [
        "protocol": Shapes.oneOrMore(Shapes.words(ServiceText.portProtocols.keys.sorted())),
        "ports": Shapes.oneOrMore(Shapes.scalar("[A-Za-z0-9.*,_-]+")),
        "sourcePorts": Shapes.oneOrMore(Shapes.scalar("[A-Za-z0-9.*,_-]+")),
        "any": Shapes.reference("service"), "except": Shapes.reference("service"),
    ]

    // MARK: Rules

    private static let rule: [String: SchemaValue] = [
        "name": Shapes.name, "from": Shapes.reference("end"), "to": Shapes.reference("end"), "within": Shapes.text,
        "service": Shapes.reference("service"), "vlan": Shapes.oneOrMore(tag),
        "direction": Shapes.words(RuleParser.WrittenDirection.self), "at": Shapes.oneOrMore(Shapes.text),
        "via": Shapes.oneOrMore(Shapes.text), "action": Shapes.words(Action.self), "stateless": Shapes.trueFalse,
        "limit": Shapes.mapping(LimitSyntax.keys, limit, required: ["rate"]),
        "connections": Shapes.mapping(ConnectionsSyntax.keys, connections, required: ["max"]), "log": Shapes.trueFalse,
        "starts": Shapes.time, "expires": Shapes.time, "enabled": Shapes.trueFalse, "tag": Shapes.name,
        "times": Shapes.mapping(TimesParser.keys, times),
        "add": Shapes.mapping(AdditionParser.keys, addition, required: ["group"]),
        "fromMac": Shapes.oneOrMore(Shapes.mac), "toMac": Shapes.oneOrMore(Shapes.mac),
        "match": Shapes.mapping(
            MatchParser.keys, match, other: [SchemaField(key: "minProperties", value: .number(1))]),
        "comment": Shapes.any([Shapes.text, .map(["type": .text("null")])]),
        "meta": .map([
            "type": .text("object"),
            "additionalProperties": .map(["type": .texts(["string", "number", "boolean", "null"])]),
        ]),
    ]

    private static let limit: [String: SchemaValue] = [
        "rate": Shapes.pattern("[0-9]+(B|[kKMG]B|[KMG]iB)?/[smh]"),
        "burst": Shapes.scalar("[0-9]+(B|[kKMG]B|[KMG]iB)?"), "per": Shapes.words(RuleLimit.Subject.self),
        "prefix": Shapes.mapping(LimitSyntax.prefixKeys, prefix), "over": Shapes.trueFalse,
    ]

    private static let connections: [String: SchemaValue] = [
        "max": Shapes.number(1...ConnectionsSyntax.most), "per": Shapes.words(RuleLimit.Subject.self),
        "prefix": Shapes.mapping(LimitSyntax.prefixKeys, prefix),
    ]

    private static let times: [String: SchemaValue] = [
        "days": Shapes.oneOrMore(Shapes.pattern("[A-Za-z]{3}(-[A-Za-z]{3})?")), "from": timeOfDay, "to": timeOfDay,
        "zone": Shapes.text,
    ]

    private static let timeOfDay = Shapes.pattern("[0-2][0-9]:[0-5][0-9]")

    private static let addition: [String: SchemaValue] = [
        "group": Shapes.name, "for": Shapes.duration, "end": Shapes.words(RuleAddition.End.self),
    ]

    private static let prefix: [String: SchemaValue] = ["v4": Shapes.number(1...32), "v6": Shapes.number(1...128)]

    private static let match: [String: SchemaValue] = [
        "tcpFlags": Shapes.pattern("[FSRPAUEC]*/[FSRPAUEC]+"), "hopLimit": Shapes.range, "length": Shapes.range,
        "dscp": Shapes.oneOrMore(Shapes.scalar("[A-Za-z0-9-]+")), "pcp": Shapes.oneOrMore(Shapes.number(0...7)),
        "fragment": Shapes.trueFalse,
    ]

    private static let assertion: [String: SchemaValue] = [
        "name": Shapes.name, "from": Shapes.reference("end"), "to": Shapes.reference("end"),
        "service": Shapes.reference("service"), "expect": Shapes.words(Assertion.Expectation.self),
        "comment": Shapes.text,
    ]
}
