// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Control
import Libbpf
import Policy
import TestSupport
import Testing

@testable import Datapath

/// An apply takes over the image in force where it may, and compiles the policy where anything is in doubt.
@Suite(.serialized) struct RevisionTests {
    private struct Setting {
        let lab: GuestLab
        let controller: Controller

        init() throws {
            lab = try GuestLab()
            controller = try Controller(instance: lab.instance.name)
        }

        private func text(_ action: String, _ port: Int = 80) -> String {
            """
            version: 1
            ports: { guest: { interface: tap0, netns: \(lab.host.name), protects: workload } }
            defaults: { in: accept, out: accept }
            rules:
              - { name: ping, from: 192.0.2.2, service: icmp/*, action: \(action) }
              - { name: web, service: tcp/\(port), action: accept }

            """
        }

        /// Writes the policy and prepares it, as an apply does.
        func prepare(_ action: String, port: Int = 80) throws -> PreparedPolicy {
            try controller.prepare(lab.lab.file("policy.yaml", text(action, port)))
        }

        /// Changes a byte of the image in force.
        func change(at offset: (bh_image_header) -> Int, by mask: UInt8) throws {
            let maps = try lab.instance.openMaps()
            let header = try lab.instance.imageInForce(maps).view.header
            try LiveImage.withPublished(in: maps) { map in
                let mapping = try Mapping(map, writable: true)
                let byte = mapping.withBytes { $0.load(UInt8.self, at: offset(header)) } ?? 0
                mapping.store(byte ^ mask, at: offset(header))
            }
        }
    }

    @Test func takesOverWhatOnlyDoesSomethingElse() throws {
        let setting = try Setting()
        let first = try setting.prepare("accept")
        #expect(!first.isRevised)
        _ = try setting.controller.apply(first, because: nil)
        #expect(try setting.lab.ping())

        let second = try setting.prepare("drop")
        #expect(second.isRevised)
        #expect(second.source.loaded.diagnostics == first.source.loaded.diagnostics)
        let report = try setting.controller.apply(second, because: nil)
        #expect(report.generation == 2)
        #expect(report.rules == 2)
        #expect(try !setting.lab.ping())
        let policy = try setting.controller.policyInForce()
        #expect(policy.rules.map(\.action) == [.drop, .accept])
        #expect(policy.files.first?.text.contains("icmp/*, action: drop") == true)

        // The same image as from nothing.
        _ = try setting.controller.detachAll()
        let whole = try setting.prepare("drop")
        #expect(!whole.isRevised)
        #expect(whole.image.bytes == second.image.bytes)
        #expect(whole.image.sha256 == second.image.sha256)
    }

    @Test func anApplyOfTheSameTextChangesNothing() throws {
        let setting = try Setting()
        _ = try setting.controller.apply(setting.prepare("accept"), because: nil)
        let again = try setting.prepare("accept")
        #expect(again.isRevised)
        #expect(try !setting.controller.apply(again, because: nil).changed)
    }

    @Test func compilesWhereMoreHasChanged() throws {
        let setting = try Setting()
        _ = try setting.controller.apply(setting.prepare("accept"), because: nil)
        #expect(try !setting.prepare("accept", port: 81).isRevised)
    }

    @Test func compilesWhereTheImageInForceIsDamaged() throws {
        let setting = try Setting()
        _ = try setting.controller.apply(setting.prepare("accept"), because: nil)
        try setting.change(at: { Int($0.v4_root) + 4 }, by: 1)
        let second = try setting.prepare("drop")
        #expect(!second.isRevised)
        _ = try setting.controller.apply(second, because: nil)
        #expect(try setting.prepare("accept").isRevised)
    }

    @Test func compilesWhereAnotherExecutableHasCompiled() throws {
        let setting = try Setting()
        _ = try setting.controller.apply(setting.prepare("accept"), because: nil)
        let field = try #require(MemoryLayout<bh_image_header>.offset(of: \.compiler))
        try setting.change(at: { _ in field }, by: 4)
        #expect(try !setting.prepare("drop").isRevised)
    }
}
