// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Testing

@testable import Inventory

@Suite struct WorkloadListTests {
    private static func list(_ lines: String) throws -> WorkloadList {
        var list = WorkloadList()
        for update in try WorkloadLine.read(Array(lines.utf8)) { _ = list.take(update, from: "a") }
        return list
    }

    @Test func linesAddRemoveAndSync() throws {
        let text = """
            {"add": {"name": "web-1", "uuid": "U1", "labels": {"tier": "web"}, "interfaces": [{"device": "vnet0", \
            "mac": "52:54:00:00:00:01", "addresses": ["198.51.100.10", "2001:db8::/64"]}]}}

            {"add": {"name": "db-1"}}
            {"remove": "db-1"}

            """
        let list = try Self.list(text)
        #expect(
            list.workloads == [
                Workload(
                    id: "U1", name: "web-1", uuid: "U1", labels: ["tier": "web"],
                    interfaces: [
                        Workload.Interface(
                            device: "vnet0", mac: MACAddress("52:54:00:00:00:01"),
                            addresses: [
                                try Prefix(parsing: "198.51.100.10"), try Prefix(parsing: "2001:db8::/64"),
                            ])
                    ])
            ])
        #expect(try Self.list(text + #"{"sync": [{"name": "b"}]}"#).workloads.map(\.name) == ["b"])
        #expect(try Self.list(text + #"{"sync": []}"#).workloads.isEmpty)
    }

    /// A key that nobody reads, or a value that nobody can, must not leave a guest without what was meant to bind it.
    @Test(arguments: [
        (#"{"add": {"name": "a", "adresses": []}}"#, "unknown key \"adresses\""),
        (#"{"add": {"name": "a", "interfaces": [{"Device": "a"}]}}"#, "unknown key \"Device\""),
        (#"{"add": {"name": "a"}, "remove": "b"}"#, "expected one of"), ("{}", "expected one of"),
        (#"{"put": {"name": "a"}}"#, "unknown key \"put\""), ("no", "not JSON"),
        (#"{"add": {"name": "a", "labels": {"a": 1}}}"#, "\"a\" has another kind"),
        (#"{"add": {"uuid": "a"}}"#, "\"name\" is missing"), (#"{"add": {"name": ""}}"#, "1 to 256 bytes"),
        (#"{"add": {"name": "a", "interfaces": [{"device": "tap*"}]}}"#, "not the name of a device"),
        (#"{"add": {"name": "a", "interfaces": [{"device": "a/b"}]}}"#, "not the name of a device"),
        (#"{"add": {"name": "a", "interfaces": [{"mac": "01:00:5e:00:00:01"}]}}"#, "not the MAC address"),
        (#"{"add": {"name": "a", "interfaces": [{"mac": "1"}]}}"#, "not the MAC address"),
        (#"{"add": {"name": "a", "interfaces": [{"addresses": ["224.0.0.1"]}]}}"#, "not an address"),
        (#"{"add": {"name": "a", "interfaces": [{"addresses": ["198.51.100.1/24"]}]}}"#, "not an address"),
        (#"{"add": {"name": "a", "interfaces": [{"addresses": ["0.0.0.0/0"]}]}}"#, "not an address"),
    ])
    func aFaultyLineIsRefusedWithItsNumber(line: String, words: String) {
        let error = #expect(throws: WorkloadLineError.self) { try Self.list("{\"remove\": \"x\"}\n" + line) }
        #expect(error?.description.hasPrefix("line 2: ") == true)
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test func theOldestStaysFirstAndSourcesStayApart() {
        var list = WorkloadList()
        func take(_ update: WorkloadUpdate, from source: String) -> Bool { list.take(update, from: source) }
        func workload(_ id: String, _ name: String) -> Workload { Workload(id: id, name: name) }
        #expect(take(.sync([workload("1", "a"), workload("2", "b")]), from: "x"))
        #expect(take(.add(workload("1", "c")), from: "y"))
        #expect(take(.sync([workload("3", "d"), workload("2", "b"), workload("1", "a")]), from: "x"))
        #expect(list.workloads.map(\.name) == ["a", "b", "c", "d"])
        #expect(!take(.add(workload("2", "b")), from: "x"))
        #expect(take(.sync([]), from: "x"))
        #expect(list.workloads.map(\.name) == ["c"])
        list.keep(sources: ["x"])
        #expect(list.workloads.isEmpty)
    }

    /// Whoever takes an address that another has is younger from then on; what nobody has may change freely.
    @Test func aClaimIsAsOldAsItIs() throws {
        var list = WorkloadList()
        func workload(_ id: String, _ mac: String, _ address: String) throws -> WorkloadUpdate {
            let interface = try Workload.Interface(checking: "vnet\(id)", mac: mac, addresses: [address])
            return .add(Workload(id: id, name: id, interfaces: [interface]))
        }
        let (one, two) = ("52:54:00:00:00:01", "52:54:00:00:00:02")
        for update in [try workload("1", one, "198.51.100.1"), try workload("2", two, "198.51.100.2")] {
            _ = list.take(update, from: "x")
        }
        _ = list.take(try workload("1", one, "198.51.100.3"), from: "x")
        #expect(list.workloads.map(\.name) == ["1", "2"])
        _ = list.take(try workload("1", one, "198.51.100.0/30"), from: "x")
        #expect(list.workloads.map(\.name) == ["2", "1"])
        // What it has had already makes it no younger.
        _ = list.take(try workload("2", one, "198.51.100.2"), from: "y")
        _ = list.take(try workload("2", two, "198.51.100.2"), from: "x")
        #expect(list.workloads.map(\.name) == ["2", "1", "2"])
        _ = list.take(try workload("2", one, "198.51.100.9"), from: "x")
        #expect(list.workloads.map(\.name) == ["1", "2", "2"])
    }

    /// What was known of one that cannot be described holds, but for its devices, and it is refused.
    @Test func oneThatCannotBeDescribedIsNotForgotten() throws {
        var list = try Self.list(
            #"{"add": {"name": "a", "id": "1", "labels": {"t": "w"}, "interfaces": [{"device": "vnet0"}]}}"#)
        _ = list.take(.add(Workload(id: "1", name: "?", refusal: "too long")), from: "a")
        #expect(list.workloads.map(\.labels) == [["t": "w"]] && list.workloads.map(\.name) == ["a"])
        #expect(list.workloads.flatMap(\.interfaces).map(\.device) == ["vnet0"])
        #expect(list.workloads.map(\.refusal) == ["too long"])
        #expect(try WorkloadList(reading: list.text) == list)
        let moved = Workload(id: "1", name: "?", interfaces: [.init(device: "vnet1")], refusal: "too long")
        _ = list.take(.add(moved), from: "a")
        #expect(list.workloads.flatMap(\.interfaces).map(\.device) == ["vnet1"])
        _ = list.take(.add(Workload(id: "1", name: "a")), from: "a")
        #expect(list.workloads.map(\.refusal) == [nil])
    }

    @Test func earlierNamesAreRemembered() {
        var list = WorkloadList()
        for name in ["a", "b", "c", "a"] { _ = list.take(.add(Workload(id: "1", name: name)), from: "x") }
        #expect(list.workloads.map(\.formerNames) == [["c", "b"]])
        for number in 0..<20 { _ = list.take(.add(Workload(id: "1", name: "n\(number)")), from: "x") }
        #expect(list.workloads[0].formerNames.count == WorkloadList.mostFormerNames)
        #expect(list.workloads[0].formerNames.first == "n18")
    }

    @Test func whatIsKeptIsReadAgain() throws {
        var list = try Self.list(
            #"{"add": {"name": "ü\n\"", "id": "1", "labels": {"a": "b"}, "interfaces": [{"addresses": []}, {}]}}"#)
        _ = list.take(.add(Workload(id: "1", name: "new")), from: "a")
        _ = list.take(.add(Workload(id: "1", name: "other")), from: "b")
        #expect(try WorkloadList(reading: list.text) == list)
    }
}
