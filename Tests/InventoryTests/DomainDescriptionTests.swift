// SPDX-License-Identifier: Apache-2.0
import Network
import Policy
import Testing

@testable import Inventory

@Suite struct XMLNodeTests {
    @Test func aDocumentIsRead() throws {
        let node = try XMLNode(
            parsing: """
                <?xml version='1.0'?><!-- a --><a b='1' c="x &lt;&amp;&#65;&#x42;">t<e/>u<f>&gt;<![CDATA[<z>]]></f>
                <p:g xmlns:p='urn:x'><p:h/><i/></p:g></a>
                """)
        #expect(node.name == "a")
        #expect(node.attributes == ["b": "1", "c": "x <&AB"])
        #expect(node.text.hasPrefix("tu"))
        #expect(node.children.map(\.name) == ["e", "f", "g"])
        #expect(node.first("f")?.text == "><z>")
        #expect(node.first("g")?.namespace == "urn:x")
        #expect(node.first("g")?.children.map(\.namespace) == ["urn:x", nil])
    }

    @Test(arguments: [
        "", "a", "<", "<a", "<a>", "<a></b>", "<a/><b/>", "<a b/>", "<a b=1/>", "<a b='1/>", "<a b='1' b='2'/>",
        "<a>&x;</a>", "<a>&#x110000;</a>", "<a>&#;</a>", "<a><!-- </a>", "<a><![CDATA[</a>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a><!ENTITY b 'c'></a>", "<a b='<'/>",
        String(repeating: "<a>", count: 100) + String(repeating: "</a>", count: 100),
    ])
    func whatIsNoneIsRefused(text: String) { #expect(throws: EngineError.self) { try XMLNode(parsing: text) } }
}

/// Guests by what libvirt describes: descriptions as libvirt 9.0 writes them, and others.
@Suite struct DomainDescriptionTests {
    private static let guest = """
        <domain type='qemu' id='1'>
          <name>web-1</name>
          <uuid>fbde0fd9-b859-4f0f-8e6e-eb5e111ce02f</uuid>
          <metadata>
            <other:thing xmlns:other="http://example.org/"><label name="tier" value="no"/></other:thing>
            <bulkhead:workload xmlns:bulkhead="urn:bulkhead:workload:1">
              <bulkhead:label name="tier" value="web"/>
              <interface mac="52:54:00:00:00:01"><address>198.51.100.10</address></interface>
            </bulkhead:workload>
          </metadata>
          <devices>
            <interface type='bridge'>
              <mac address='52:54:00:00:00:01'/><source bridge='br0'/><target dev='vnet0'/><model type='virtio'/>
            </interface>
            <interface type='network'>
              <mac address='52:54:00:00:00:02'/><source network='lab' bridge='lab0'/><target dev='vnet1'/>
            </interface>
            <interface type='user'><mac address='52:54:00:00:00:03'/></interface>
            <interface type='direct'><mac address='52:54:00:00:00:04'/><target dev='macvtap0'/></interface>
          </devices>
        </domain>
        """

    private static let lent = ["lab": ["52:54:00:00:00:02": ["10.9.0.10"], "52:54:00:00:00:01": ["10.9.0.11"]]]

    private static func workload(_ xml: String) throws -> Workload {
        try DomainDescription(xml).workload(lent: lent)
    }

    @Test func aGuestIsAWorkload() throws {
        let workload = try Self.workload(Self.guest)
        #expect(try DomainDescription(Self.guest).number == 1)
        #expect(workload.name == "web-1")
        #expect(workload.id == "fbde0fd9-b859-4f0f-8e6e-eb5e111ce02f")
        #expect(workload.uuid == workload.id)
        #expect(workload.labels == ["tier": "web"])
        #expect(workload.interfaces.map(\.device) == ["vnet0", "vnet1"])
        #expect(workload.interfaces.map { "\($0.mac!)" } == ["52:54:00:00:00:01", "52:54:00:00:00:02"])
        // Metadata goes before leases; of the other, the network that it is in says what it lent.
        #expect(workload.interfaces.map { $0.addresses?.map(\.description) } == [["198.51.100.10"], ["10.9.0.10"]])
    }

    @Test func whatIsNotKnownIsNotSaid() throws {
        let alone = try DomainDescription(Self.guest).workload(lent: [:])
        #expect(alone.interfaces[1].addresses == nil)
        // An interface that the metadata lists without an address may have none.
        let none = try Self.workload(Self.guest.replacing("<address>198.51.100.10</address>", with: ""))
        #expect(none.interfaces[0].addresses == [])
        let off = try Self.workload(Self.guest.replacing("<target dev='vnet0'/>", with: ""))
        #expect(off.interfaces[0].device == nil)
    }

    /// Whose it is nobody can tell: then nothing of what was said before is taken back.
    @Test(arguments: [
        ("</domain>", ""), ("<name>web-1</name>", ""), ("<uuid>", "<id>"), ("<domain type", "<network type"),
        ("<name>web-1", "<name>\(String(repeating: "a", count: 300))"),
    ])
    func nonsenseIsOfNobody(old: String, new: String) {
        let error = #expect(throws: EngineError.self) { try DomainDescription(Self.guest.replacing(old, with: new)) }
        #expect(error?.isOfOneGuest == false, "\(error?.description ?? "")")
    }

    @Test(arguments: [
        ("vnet0", "vnet*"), ("vnet0", "a/b"), ("52:54:00:00:00:01'", "01:00:5e:00:00:01'"),
        ("198.51.100.10<", "198.51.100.256<"), ("<bulkhead:label name=\"tier\" value=\"web\"/>", "<bulkhead:lable/>"),
        ("value=\"web\"", ""), ("interface mac=\"52", "interface mag=\"52"),
        ("\"web\"", "\"\(String(repeating: "a", count: 20_000))\""),
    ])
    func nonsenseIsOfThisGuest(old: String, new: String) throws {
        let error = #expect(throws: EngineError.self) { try Self.workload(Self.guest.replacing(old, with: new)) }
        #expect(error?.isOfOneGuest == true, "\(error?.description ?? "")")
        let refused = try DomainDescription(Self.guest.replacing(old, with: new)).refused("why")
        #expect(refused.name == "web-1" && refused.refusal == "why")
    }
}
