// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Libbpf
import TestSupport
import Testing

@testable import Datapath

/// The structures shared by kernel and controller are the same on both sides: in clang's type information of the
/// objects, and in Swift.
@Suite struct LayoutTests {
    struct Layout: Sendable, CustomTestStringConvertible {
        struct Field: Sendable, Hashable {
            var name: String
            var offset: Int?
        }

        var name: String
        var size: Int
        var fields: [Field]

        var testDescription: String { name }
    }

    private static func layout<Value: BitwiseCopyable>(
        _ name: String, of type: Value.Type, _ names: [String], _ fields: [PartialKeyPath<Value>]
    ) -> Layout {
        Layout(
            name: name, size: MemoryLayout<Value>.size,
            fields: zip(names, fields).map { Layout.Field(name: $0, offset: MemoryLayout<Value>.offset(of: $1)) })
    }

    private static let layouts: [Layout] = [
        layout("bh_partition", of: bh_partition.self, ["buckets", "mask"], [\.buckets, \.mask]),
        layout(
            "bh_image_header", of: bh_image_header.self,
            [
                "magic", "format", "flags", "size", "v4_root", "v6_root", "nodes", "values", "classes", "class_count",
                "protocols", "service_count", "vlan_classes", "vlan_count", "contexts", "scope_count", "joints",
                "context_count", "joint_count", "matches", "match_words", "match_count", "partitions", "lists", "runs",
                "run_values", "rules", "rule_count", "ports", "port_count", "strings", "strings_size", "files",
                "file_count", "conditions", "condition_count", "chains", "groups", "group_count", "adopt",
                "header_class_count", "notes", "header_classes", "sha256", "generation", "device_count", "device_ports",
                "devices", "loaded_at", "wall_offset", "secret",
                "boot_offset", "epoch", "before", "host_states", "host_questions", "note_count", "reserved",
            ],
            [
                \.magic, \.format, \.flags, \.size, \.v4_root, \.v6_root, \.nodes, \.values, \.classes, \.class_count,
                \.protocols, \.service_count, \.vlan_classes, \.vlan_count, \.contexts, \.scope_count, \.joints,
                \.context_count, \.joint_count, \.matches, \.match_words, \.match_count, \.partitions, \.lists, \.runs,
                \.run_values, \.rules, \.rule_count, \.ports, \.port_count, \.strings, \.strings_size, \.files,
                \.file_count, \.conditions, \.condition_count, \.chains, \.groups, \.group_count, \.adopt,
                \.header_class_count, \.notes, \.header_classes, \.sha256, \.generation, \.device_count, \.device_ports,
                \.devices, \.loaded_at, \.wall_offset, \.secret,
                \.boot_offset, \.epoch, \.before, \.host_states, \.host_questions, \.note_count, \.reserved,
            ]),
        layout(
            "bh_node", of: bh_node.self,
            ["changes", "path", "path_mask", "base", "otherwise", "before", "path_bits", "pad"],
            [\.changes, \.path, \.path_mask, \.base, \.otherwise, \.before, \.path_bits, \.pad]),
        layout(
            "bh_address_class", of: bh_address_class.self,
            [
                "from_coarse", "from_fine", "to_coarse", "to_fine", "from_partitions", "to_partitions", "from_joint",
                "to_joint", "pad",
            ],
            [
                \.from_coarse, \.from_fine, \.to_coarse, \.to_fine, \.from_partitions, \.to_partitions, \.from_joint,
                \.to_joint, \.pad,
            ]),
        layout(
            "bh_protocol", of: bh_protocol.self,
            ["first_directory", "second_directory", "services", "stride", "service", "pad"],
            [\.first_directory, \.second_directory, \.services, \.stride, \.service, \.pad]),
        layout("bh_cell", of: bh_cell.self, ["from", "to", "list", "rank"], [\.from, \.to, \.list, \.rank]),
        layout("bh_bucket", of: bh_bucket.self, ["cells"], [\.cells]),
        layout(
            "bh_list_entry", of: bh_list_entry.self,
            ["rank", "match", "destination", "destination_span", "source", "source_span"],
            [\.rank, \.match, \.destination, \.destination_span, \.source, \.source_span]),
        layout("bh_run", of: bh_run.self, ["changes", "base", "pad"], [\.changes, \.base, \.pad]),
        layout(
            "bh_rule", of: bh_rule.self,
            [
                "verdict", "flags", "file", "line", "name", "counter", "condition", "number", "term", "terms_behind",
                "notes",
            ],
            [
                \.verdict, \.flags, \.file, \.line, \.name, \.counter, \.condition, \.number, \.term, \.terms_behind,
                \.notes,
            ]),
        layout(
            "bh_note", of: bh_note.self, ["key", "value", "is_last", "pad"], [\.key, \.value, \.is_last, \.pad]),
        layout(
            "bh_condition", of: bh_condition.self,
            ["expires", "cost", "span", "identity", "slot", "literals", "pad"],
            [\.expires, \.cost, \.span, \.identity, \.slot, \.literals, \.pad]),
        layout(
            "bh_group", of: bh_group.self, ["timeout", "maximum", "name", "slot", "line", "file", "pad"],
            [\.timeout, \.maximum, \.name, \.slot, \.line, \.file, \.pad]),
        layout(
            "bh_member_key", of: bh_member_key.self, ["prefix_length", "family", "address"],
            [\.prefix_length, \.family, \.address]),
        layout(
            "bh_member", of: bh_member.self, ["deadline", "own", "prefix_length", "pad"],
            [\.deadline, \.own, \.prefix_length, \.pad]),
        layout(
            "bh_port", of: bh_port.self,
            [
                "protects", "vlan_mode", "defaults", "flags", "scopes", "vlans", "name", "default_lines",
                "default_files", "line", "file", "flow_scope", "flow_share", "guards", "macs", "v4", "v6",
            ],
            [
                \.protects, \.vlan_mode, \.defaults, \.flags, \.scopes, \.vlans, \.name, \.default_lines,
                \.default_files, \.line, \.file, \.flow_scope, \.flow_share, \.guards, \.macs, \.v4, \.v6,
            ]),
        layout("bh_mac_list", of: bh_mac_list.self, ["macs"], [\.macs]),
        layout("bh_file", of: bh_file.self, ["name", "text", "size", "pad"], [\.name, \.text, \.size, \.pad]),
        layout(
            "bh_device", of: bh_device.self,
            [
                "ifindex", "port", "mode", "flags", "namespace_inode", "name", "attached_at", "untracked_at",
                "namespace_name",
            ],
            [
                \.ifindex, \.port, \.mode, \.flags, \.namespace_inode, \.name, \.attached_at, \.untracked_at,
                \.namespace_name,
            ]),
        layout(
            "bh_packet", of: bh_packet.self,
            [
                "source_high", "source_low", "destination_high", "destination_low", "flags", "length", "segments",
                "wire_bytes", "outer_vlan", "inner_vlan", "vlan_tags", "protocol", "ethertype", "source_port",
                "destination_port", "type", "code", "tcp_flags", "hop_limit", "l3_offset", "l4_offset", "source_mac",
                "destination_mac", "refusal", "fragment_protocol", "fragment_offset", "end", "sequence",
                "acknowledgement", "payload", "echo", "records", "identification", "fragment_length", "window", "pad",
            ],
            [
                \.source_high, \.source_low, \.destination_high, \.destination_low, \.flags, \.length, \.segments,
                \.wire_bytes, \.outer_vlan, \.inner_vlan, \.vlan_tags, \.protocol, \.ethertype, \.source_port,
                \.destination_port, \.type, \.code, \.tcp_flags, \.hop_limit, \.l3_offset, \.l4_offset, \.source_mac,
                \.destination_mac, \.refusal, \.fragment_protocol, \.fragment_offset, \.end, \.sequence,
                \.acknowledgement, \.payload, \.echo, \.records, \.identification, \.fragment_length, \.window, \.pad,
            ]),
        layout(
            "bh_claim", of: bh_claim.self,
            ["target_high", "target_low", "mac", "sender", "operation", "state", "has_mac"],
            [\.target_high, \.target_low, \.mac, \.sender, \.operation, \.state, \.has_mac]),
        layout(
            "bh_judgement", of: bh_judgement.self,
            ["verdict", "reason", "rule", "counter", "generation", "port", "direction", "log"],
            [\.verdict, \.reason, \.rule, \.counter, \.generation, \.port, \.direction, \.log]),
        layout(
            "bh_lookup", of: bh_lookup.self, ["joint", "best", "floor", "partitions", "from", "to"],
            [\.joint, \.best, \.floor, \.partitions, \.from, \.to]),
        layout(
            "bh_flow_key", of: bh_flow_key.self,
            [
                "first_high", "first_low", "second_high", "second_low", "first_port", "second_port", "outer_vlan",
                "inner_vlan", "scope", "protocol", "family", "direction", "authenticated", "pad",
            ],
            [
                \.first_high, \.first_low, \.second_high, \.second_low, \.first_port, \.second_port, \.outer_vlan,
                \.inner_vlan, \.scope, \.protocol, \.family, \.direction, \.authenticated, \.pad,
            ]),
        layout(
            "bh_flow_side", of: bh_flow_side.self, ["end", "acknowledged", "granted", "window"],
            [\.end, \.acknowledged, \.granted, \.window]),
        layout(
            "bh_attempt", of: bh_attempt.self, ["start", "end", "window", "scale", "from"],
            [\.start, \.end, \.window, \.scale, \.from]),
        layout(
            "bh_flow", of: bh_flow.self,
            [
                "key", "generation", "rule", "counter", "epoch", "lapses", "seen", "timeout", "state",
                "opener_is_first", "direction", "headers", "flags", "scales", "sides", "attempt",
            ],
            [
                \.key, \.generation, \.rule, \.counter, \.epoch, \.lapses, \.seen, \.timeout, \.state,
                \.opener_is_first, \.direction, \.headers, \.flags, \.scales, \.sides, \.attempt,
            ]),
        layout(
            "bh_flow_bucket", of: bh_flow_bucket.self, ["lock", "overflow", "scopes", "tags", "pad1"],
            [\.lock, \.overflow, \.scopes, \.tags, \.pad1]),
        layout("bh_flow_ways", of: bh_flow_ways.self, ["flows"], [\.flows]),
        layout(
            "bh_flow_search", of: bh_flow_search.self, ["best", "first", "visited", "found", "now"],
            [\.best, \.first, \.visited, \.found, \.now]),
        layout(
            "bh_flow_scope", of: bh_flow_scope.self, ["flows", "swept", "hand", "barren"],
            [\.flows, \.swept, \.hand, \.barren]),
        layout(
            "bh_flow_totals", of: bh_flow_totals.self,
            ["opened", "adopted", "expired", "evicted", "refused", "ended", "hand", "pad", "pad1"],
            [
                \.opened, \.adopted, \.expired, \.evicted, \.refused, \.ended, \.hand, \.pad, \.pad1,
            ]),
        layout(
            "bh_answer", of: bh_answer.self, ["service", "place", "rule", "counter"],
            [\.service, \.place, \.rule, \.counter]),
        layout("bh_answer_v4", of: bh_answer_v4.self, ["addresses", "answer"], [\.addresses, \.answer]),
        layout(
            "bh_answer_v6", of: bh_answer_v6.self,
            ["source_high", "source_low", "destination_high", "destination_low", "answer", "pad"],
            [\.source_high, \.source_low, \.destination_high, \.destination_low, \.answer, \.pad]),
        layout(
            "bh_scratch", of: bh_scratch.self,
            [
                "device", "frame_length", "packet", "judgement", "denial", "subject", "key", "hash", "flow", "share",
                "scope",
                "forward", "question", "asked_direction", "opens", "opener_is_first", "unsure", "asks",
                "stateless", "hidden_matters", "asked_members", "limited_from", "lapse", "epoch", "bar", "recalled",
                "asked_host", "host_wanted", "host_found", "segment", "scale", "barred", "option",
                "lookup",
                "search", "fragment", "claim", "header", "now", "frame",
            ],
            [
                \.device, \.frame_length, \.packet, \.judgement, \.denial, \.subject, \.key, \.hash, \.flow, \.share,
                \.scope,
                \.forward, \.question, \.asked_direction, \.opens, \.opener_is_first, \.unsure, \.asks,
                \.stateless, \.hidden_matters, \.asked_members, \.limited_from, \.lapse, \.epoch, \.bar, \.recalled,
                \.asked_host, \.host_wanted, \.host_found, \.segment, \.scale, \.barred, \.option, \.lookup,
                \.search, \.fragment, \.claim, \.header, \.now, \.frame,
            ]),
        layout(
            "bh_datagram_key", of: bh_datagram_key.self,
            [
                "source_high", "source_low", "destination_high", "destination_low", "identification", "outer_vlan",
                "inner_vlan", "scope", "protocol", "family", "direction", "pad",
            ],
            [
                \.source_high, \.source_low, \.destination_high, \.destination_low, \.identification, \.outer_vlan,
                \.inner_vlan, \.scope, \.protocol, \.family, \.direction, \.pad,
            ]),
        layout("bh_range", of: bh_range.self, ["start", "end"], [\.start, \.end]),
        layout(
            "bh_datagram", of: bh_datagram.self, ["key", "opened", "generation", "counter", "end", "ranges"],
            [\.key, \.opened, \.generation, \.counter, \.end, \.ranges]),
        layout(
            "bh_fragment_bucket", of: bh_fragment_bucket.self, ["lock", "pad", "tags", "datagrams"],
            [\.lock, \.pad, \.tags, \.datagrams]),
        layout(
            "bh_fragment_search", of: bh_fragment_search.self,
            [
                "key", "hash", "bucket", "age", "own_age", "way", "own_way", "own", "before", "after", "free",
                "refused", "pad",
            ],
            [
                \.key, \.hash, \.bucket, \.age, \.own_age, \.way, \.own_way, \.own, \.before, \.after, \.free,
                \.refused, \.pad,
            ]),
        layout(
            "bh_settings", of: bh_settings.self,
            [
                "ticks_per_second", "answer_mark", "answer_cost", "answers_all", "flow_secret", "simulates",
                "reads_kernel", "casts_context", "pad",
            ],
            [
                \.ticks_per_second, \.answer_mark, \.answer_cost, \.answers_all, \.flow_secret, \.simulates,
                \.reads_kernel, \.casts_context, \.pad,
            ]),
        layout(
            "bh_own_address", of: bh_own_address.self, ["high", "low", "family", "pad"],
            [\.high, \.low, \.family, \.pad]),
        layout(
            "bh_local_memo", of: bh_local_memo.self, ["high", "low", "device", "ticks", "family", "is_own", "pad"],
            [\.high, \.low, \.device, \.ticks, \.family, \.is_own, \.pad]),
        layout(
            "bh_limit", of: bh_limit.self, ["lock", "identity", "full_at"], [\.lock, \.identity, \.full_at]),
        layout(
            "bh_source_set", of: bh_source_set.self, ["lock", "pad", "identities", "sources", "full_at"],
            [\.lock, \.pad, \.identities, \.sources, \.full_at]),
        layout("bh_count", of: bh_count.self, ["packets", "bytes"], [\.packets, \.bytes]),
        layout(
            "bh_port_counters", of: bh_port_counters.self,
            ["accepted", "dropped", "drop_reasons", "accept_reasons", "unanswered", "pad"],
            [\.accepted, \.dropped, \.drop_reasons, \.accept_reasons, \.unanswered, \.pad]),
        layout(
            "bh_event_counters", of: bh_event_counters.self,
            [
                "emitted", "suppressed", "lost", "accepts_emitted", "accepts_suppressed", "accepts_lost", "unjudged",
                "pad",
            ],
            [
                \.emitted, \.suppressed, \.lost, \.accepts_emitted, \.accepts_suppressed, \.accepts_lost, \.unjudged,
                \.pad,
            ]),
        layout(
            "bh_reader", of: bh_reader.self,
            ["expires", "host_high", "host_low", "flags", "reasons", "rule", "host_family", "devices", "pad"],
            [\.expires, \.host_high, \.host_low, \.flags, \.reasons, \.rule, \.host_family, \.devices, \.pad]),
        layout(
            "bh_event", of: bh_event.self, ["time", "device", "captured", "judgement", "packet", "header"],
            [\.time, \.device, \.captured, \.judgement, \.packet, \.header]),
        layout("bh_bucket_state", of: bh_bucket_state.self, ["clock"], [\.clock]),
    ]

    private static let objects = [EmbeddedObject.layout, Programs.entry, Programs.tc, Programs.xdp]

    /// All structures with all fields; a new one in the header fails here until it is listed above.
    @Test(arguments: layouts) func kernelAndControllerAgree(_ expected: Layout) throws {
        var found: [StructureLayout] = []
        for object in LayoutTests.objects {
            let layouts = try Object(object.bytes, name: object.name).structures
            if let layout = layouts[expected.name] { found.append(layout) }
        }
        try #require(!found.isEmpty, "\(expected.name) is in no object's type information")
        for layout in found {
            #expect(layout.size == expected.size)
            #expect(layout.fields.map { Layout.Field(name: $0.name, offset: $0.offset) } == expected.fields)
        }
    }

    @Test func everyStructureOfTheObjectsIsListed() throws {
        let known = Set(LayoutTests.layouts.map(\.name))
        for object in LayoutTests.objects {
            let names = try Object(object.bytes, name: object.name).structures.keys.filter { $0.hasPrefix("bh_") }
            #expect(Set(names).subtracting(known) == [])
        }
    }
}
