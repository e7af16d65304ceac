// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Foundation
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

    /// The layout of a structure as Swift has it: the names of its fields by reflection, their places by key paths.
    private static func layout<Value: BitwiseCopyable>(_ value: Value, _ fields: [PartialKeyPath<Value>]) -> Layout {
        let names = Mirror(reflecting: value).children.map { $0.label ?? "" }
        let offsets = fields.map { MemoryLayout<Value>.offset(of: $0) }
        return Layout(
            name: "\(Value.self)", size: MemoryLayout<Value>.size,
            fields: names.indices.map { index in
                Layout.Field(name: names[index], offset: index < offsets.count ? offsets[index] : nil)
            })
    }

    /// Every structure of the contract with all of its fields, in order.
    private static let layouts: [Layout] = [
        layout(bh_partition(), [\.buckets, \.count]),
        layout(
            bh_image_header(),
            [
                \.magic, \.format, \.flags, \.size, \.v4_root, \.v6_root, \.nodes, \.values, \.classes,
                \.class_count, \.protocols, \.service_count, \.vlan_classes, \.vlan_count, \.contexts, \.scope_count,
                \.joints, \.context_count, \.joint_count, \.matches, \.match_words, \.match_count, \.partitions,
                \.lists, \.runs, \.run_values, \.rules, \.rule_count, \.ports, \.port_count, \.strings,
                \.strings_size, \.files, \.file_count, \.conditions, \.condition_count, \.chains, \.groups,
                \.group_count, \.adopt, \.header_class_count, \.notes, \.header_classes, \.sha256, \.generation,
                \.device_count, \.device_ports, \.devices, \.loaded_at, \.wall_offset, \.secret, \.boot_offset,
                \.epoch, \.before, \.host_states, \.host_questions, \.note_count, \.bitmap_width, \.item_ranks,
                \.source_words, \.destination_words, \.joint_bitmaps, \.joint_words, \.selectors,
                \.selector_count, \.run_pages, \.rules_text, \.rules_text_end, \.covered, \.covered_count, \.compiler,
                \.layers, \.layer_count, \.place_states, \.via_count, \.via_classes, \.links, \.additions,
                \.connections, \.reserved,
            ]),
        layout(bh_covered(), [\.rule, \.cover]),
        layout(bh_node(), [\.changes, \.path, \.path_mask, \.base, \.otherwise, \.before, \.path_bits, \.pad]),
        layout(
            bh_address_class(),
            [
                \.from_coarse, \.from_fine, \.to_coarse, \.to_fine, \.from_partitions, \.to_partitions, \.from_joint,
                \.to_joint, \.source_bitmap, \.destination_bitmap,
            ]),
        layout(bh_protocol(), [\.first_directory, \.second_directory, \.services, \.stride, \.service, \.pad]),
        layout(bh_cell(), [\.from, \.to, \.list, \.rank]),
        layout(bh_bucket(), [\.cells]),
        layout(bh_list_entry(), [\.rank, \.match, \.destination, \.destination_span, \.source, \.source_span]),
        layout(bh_run(), [\.changes, \.base, \.pad]),
        layout(bh_bitmap_word(), [\.bits, \.word, \.rank]),
        layout(
            bh_rule(),
            [
                \.verdict, \.flags, \.file, \.line, \.name, \.counter, \.condition, \.number, \.term, \.terms_behind,
                \.notes,
            ]),
        layout(bh_note(), [\.key, \.value, \.is_last, \.pad]),
        layout(bh_layer(), [\.first, \.name]),
        layout(
            bh_condition(),
            [
                \.starts, \.expires, \.cost, \.span, \.identity, \.slot, \.flags, \.next, \.literals, \.high_mask,
                \.low_mask, \.v4_mask, \.fields, \.shift, \.pcps, \.dscps, \.from_macs, \.to_macs, \.shortest,
                \.longest, \.tcp_flags, \.tcp_mask, \.least_hops, \.most_hops, \.zone, \.from, \.to, \.days, \.addition,
                \.connections,
            ]),
        layout(bh_addition(), [\.seconds, \.group, \.destination, \.pad]),
        layout(bh_zone_change(), [\.minute, \.offset]),
        layout(bh_zone(), [\.changes]),
        layout(bh_group(), [\.timeout, \.maximum, \.name, \.slot, \.line, \.file, \.pad]),
        layout(bh_member_key(), [\.prefix_length, \.family, \.address]),
        layout(bh_member(), [\.deadline, \.own, \.prefix_length, \.pad]),
        layout(
            bh_port(),
            [
                \.protects, \.vlan_mode, \.defaults, \.flags, \.scopes, \.vlans, \.name, \.default_lines,
                \.default_files, \.line, \.file, \.flow_scope, \.flow_share, \.guards, \.macs, \.v4, \.v6,
            ]),
        layout(bh_selector(), [\.entry, \.namespace_name, \.names, \.is_bridge, \.gate]),
        layout(bh_mac_list(), [\.macs]),
        layout(bh_file(), [\.name, \.text, \.size, \.pad]),
        layout(
            bh_device(),
            [
                \.ifindex, \.port, \.mode, \.flags, \.namespace_inode, \.name, \.attached_at, \.untracked_at,
                \.namespace_name,
            ]),
        layout(
            bh_packet(),
            [
                \.source_high, \.source_low, \.destination_high, \.destination_low, \.flags, \.length, \.segments,
                \.wire_bytes, \.outer_vlan, \.inner_vlan, \.vlan_tags, \.protocol, \.ethertype, \.source_port,
                \.destination_port, \.type, \.code, \.tcp_flags, \.hop_limit, \.l3_offset, \.l4_offset, \.source_mac,
                \.destination_mac, \.refusal, \.fragment_protocol, \.fragment_offset, \.end, \.sequence,
                \.acknowledgement, \.payload, \.echo, \.records, \.identification, \.fragment_length, \.window,
                \.pad,
            ]),
        layout(bh_claim(), [\.target_high, \.target_low, \.mac, \.sender, \.operation, \.state, \.has_mac]),
        layout(bh_judgement(), [\.verdict, \.reason, \.rule, \.counter, \.generation, \.port, \.direction, \.log]),
        layout(
            bh_lookup(),
            [
                \.joint, \.best, \.floor, \.partitions, \.from, \.to, \.source_bitmap, \.destination_bitmap,
                \.first_to, \.first_joint, \.next_word, \.word, \.bits,
            ]),
        layout(
            bh_flow_key(),
            [
                \.first_high, \.first_low, \.second_high, \.second_low, \.first_port, \.second_port, \.outer_vlan,
                \.inner_vlan, \.scope, \.protocol, \.family, \.direction, \.authenticated, \.pad,
            ]),
        layout(bh_flow_side(), [\.end, \.acknowledged, \.granted, \.window]),
        layout(bh_attempt(), [\.start, \.length, \.window, \.scale, \.from, \.handshake]),
        layout(
            bh_flow(),
            [
                \.key, \.generation, \.rule, \.counter, \.epoch, \.lapses, \.seen, \.timeout, \.state,
                \.opener_is_first, \.direction, \.headers, \.flags, \.scales, \.sides, \.attempt,
            ]),
        layout(bh_flow_bucket(), [\.lock, \.overflow, \.scopes, \.tags, \.pad1]),
        layout(bh_flow_ways(), [\.flows]),
        layout(bh_flow_search(), [\.best, \.first, \.visited, \.found, \.now]),
        layout(bh_flow_scope(), [\.flows, \.swept, \.hand, \.barren]),
        layout(
            bh_flow_totals(),
            [
                \.opened, \.adopted, \.expired, \.evicted, \.refused, \.ended, \.hand, \.pad, \.pad1,
            ]),
        layout(
            bh_scratch(),
            [
                \.device, \.frame_length, \.packet, \.judgement, \.denial, \.subject, \.key, \.hash, \.flow, \.share,
                \.scope, \.forward, \.question, \.asked_direction, \.opens, \.opener_is_first, \.unsure, \.asks,
                \.stateless, \.hidden_matters, \.asked_members, \.limited_from, \.lapse, \.epoch, \.bar, \.lasts,
                \.asked_host, \.wanted, \.host_found, \.segment, \.scale, \.barred, \.option, \.lookup,
                \.search, \.fragment, \.claim, \.header, \.now, \.frame, \.matched, \.counter, \.tries, \.dscp, \.pcp,
                \.asked_via, \.via_open, \.came_from, \.adds, \.add_decides, \.pad, \.metered_rule, \.metered,
                \.passed_before, \.other_scope, \.additions, \.tried, \.front,
                \.holding, \.counted, \.asked_room, \.has_room, \.opened, \.scores, \.class,
            ]),
        layout(
            bh_datagram_key(),
            [
                \.source_high, \.source_low, \.destination_high, \.destination_low, \.identification, \.outer_vlan,
                \.inner_vlan, \.scope, \.protocol, \.family, \.direction, \.pad,
            ]),
        layout(bh_range(), [\.start, \.end]),
        layout(bh_datagram(), [\.key, \.opened, \.generation, \.counter, \.end, \.ranges]),
        layout(bh_fragment_bucket(), [\.lock, \.pad, \.tags, \.datagrams]),
        layout(
            bh_fragment_search(),
            [
                \.key, \.hash, \.bucket, \.age, \.own_age, \.way, \.own_way, \.own, \.before, \.after, \.free,
                \.refused, \.pad,
            ]),
        layout(
            bh_settings(),
            [
                \.ticks_per_second, \.answer_mark, \.answer_cost, \.answers_all, \.flow_secret, \.simulates,
                \.reads_kernel, \.casts_context, \.answer_blocks,
            ]),
        layout(bh_own_address(), [\.high, \.low, \.family, \.pad]),
        layout(bh_limit(), [\.lock, \.identity, \.full_at]),
        layout(bh_source_set(), [\.lock, \.pad, \.identities, \.sources, \.full_at]),
        layout(
            bh_connections(), [\.high_mask, \.low_mask, \.v4_mask, \.identity, \.maximum, \.destination]),
        layout(bh_holder_bucket(), [\.overflow, \.changes, \.holders]),
        layout(
            bh_holding(),
            [
                \.high, \.low, \.high_mask, \.low_mask, \.holder, \.counter, \.maximum, \.home, \.first, \.at,
                \.rule, \.found, \.seen, \.now, \.family, \.destination, \.checks, \.has_twin,
            ]),
        layout(
            bh_front_key(), [\.addresses, \.link, \.ports, \.version, \.hash, \.answered, \.kinds, \.tag]),
        layout(bh_front_class(), [\.link, \.source, \.destination, \.joint, \.hash]),
        layout(bh_front_score(), [\.misses, \.skipped]),
        layout(bh_stamp(), [\.word, \.until, \.trial, \.base, \.pad]),
        layout(bh_count(), [\.packets, \.bytes]),
        layout(bh_port_counters(), [\.outcomes, \.pad]),
        layout(
            bh_event_counters(),
            [
                \.emitted, \.lost, \.accepts_emitted, \.accepts_suppressed, \.accepts_lost, \.unjudged, \.pad,
            ]),
        layout(
            bh_reader(),
            [
                \.expires, \.host_high, \.host_low, \.mask_high, \.mask_low, \.flags, \.reasons, \.host_family,
                \.pad1, \.rules, \.services, \.devices, \.pad2,
            ]),
        layout(
            bh_reader_service(),
            [\.protocol, \.headers, \.key, \.key_span, \.source, \.source_span, \.pad]),
        layout(bh_event(), [\.time, \.device, \.captured, \.judgement, \.packet, \.header]),
        layout(bh_shadow_lease(), [\.expires, \.generation, \.pad]),
        layout(bh_shadow_counts(), [\.compared, \.changed, \.emitted, \.lost, \.unlisted, \.pad]),
        layout(
            bh_shadow_pair(),
            [
                \.counter, \.rule, \.old_verdict, \.old_reason, \.verdict, \.reason, \.direction, \.may, \.pad,
            ]),
        layout(bh_shadow_total(), [\.packets, \.bytes]),
        layout(bh_shadow_event(), [\.event, \.shadow, \.may, \.pad]),
    ]

    private static let objects = [EmbeddedObject.layout, Programs.entry, Programs.tc, Programs.xdp]

    /// Every structure with every field: a new field fails here until it is listed above.
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

    /// A new structure fails here until it is listed above.
    @Test func everyStructureOfTheContractIsListed() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Sources/CDatapathABI/include/abi").standardized
        var found: [String] = []
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let text = try String(contentsOf: file, encoding: .utf8)
            found += text.matches(of: /(?m)^struct (\w+) {/).map { String($0.1) }
        }
        // The hash is a value of functions and in no map.
        #expect(Set(found).subtracting(["bh_sip"]) == Set(LayoutTests.layouts.map(\.name)))
        #expect(found.count == Set(found).count)
    }

    @Test func everyStructureOfTheObjectsIsListed() throws {
        let known = Set(LayoutTests.layouts.map(\.name))
        for object in LayoutTests.objects {
            let names = try Object(object.bytes, name: object.name).structures.keys.filter { $0.hasPrefix("bh_") }
            #expect(Set(names).subtracting(known) == [])
        }
    }
}
