//! The repository's objects as JSON, with the members of real ones: other clients read more of them than the
//! exporter.

use serde_json::{Value, json};

use crate::site::{Node, Site, VirtualProxy};

const CREATED: &str = "2024-02-12T09:14:07.853Z";
const MODIFIED: &str = "2025-05-21T13:40:55.120Z";
const SERVICE_CLUSTER: &str = "cc61980e-ba5d-4c7e-9d4f-0c1d5e3a7b21";
const MODIFIED_BY: &str = r"INTERNAL\sa_repository";

/// Returns the object of `GET /qrs/about`.
pub(super) fn about() -> Value {
    json!({
        "buildVersion": "32.25.0.0",
        "buildDate": "9/20/2013 10:09:00 AM",
        "databaseProvider": "Devart.Data.PostgreSql",
        "nodeType": 1,
        "sharedPersistence": true,
        "requiresBootstrap": false,
        "singleNodeOnly": false,
        "schemaPath": "About"
    })
}

/// Returns the list of `GET /qrs/proxyservice/full`: a proxy service per node, with the virtual proxies that it links.
pub(super) fn proxy_services(site: &Site) -> Value {
    site.nodes().iter().map(|node| proxy_service(site, node)).collect()
}

/// Returns one object of `GET /qrs/virtualproxyconfig/full`.
pub(super) fn virtual_proxy(site: &Site, virtual_proxy: &VirtualProxy) -> Value {
    let dates = json!({
        "createdDate": CREATED,
        "modifiedDate": MODIFIED,
        "modifiedByUserName": MODIFIED_BY,
        "customProperties": [],
        "schemaPath": "VirtualProxyConfig"
    });
    merged(condensed_virtual_proxy(site, virtual_proxy), dates)
}

fn proxy_service(site: &Site, node: &Node) -> Value {
    let pairs = node.pairs();
    let virtual_proxies = site.virtual_proxies();
    let linked = virtual_proxies.iter().filter(|virtual_proxy| pairs.contains_key(&virtual_proxy.prefix));
    let links: Vec<_> = linked.map(|virtual_proxy| condensed_virtual_proxy(site, virtual_proxy)).collect();
    json!({
        "id": node.ids.proxy_service,
        "createdDate": CREATED,
        "modifiedDate": MODIFIED,
        "modifiedByUserName": MODIFIED_BY,
        "customProperties": [],
        "settings": {
            "id": node.ids.settings,
            "createdDate": CREATED,
            "modifiedDate": MODIFIED,
            "modifiedByUserName": MODIFIED_BY,
            "listenPort": 443,
            "allowHttp": false,
            "unencryptedListenPort": 80,
            "authenticationListenPort": 4244,
            "kerberosAuthentication": false,
            "unencryptedAuthenticationListenPort": 4248,
            "sslBrowserCertificateThumbprint": "",
            "keepAliveTimeoutSeconds": 10,
            "maxHeaderSizeBytes": 16384,
            "maxHeaderLines": 100,
            "logVerbosity": {
                "id": node.ids.settings,
                "createdDate": CREATED,
                "modifiedDate": MODIFIED,
                "modifiedByUserName": MODIFIED_BY,
                "logVerbosityAuditActivity": 4,
                "logVerbosityAuditSecurity": 4,
                "logVerbosityService": 4,
                "logVerbosityAudit": 4,
                "logVerbosityPerformance": 4,
                "logVerbositySecurity": 4,
                "logVerbositySystem": 4,
                "schemaPath": "ProxyService.Settings.LogVerbosity"
            },
            "useWsTrace": false,
            "performanceLoggingInterval": 5,
            "restListenPort": node.endpoint.port(),
            "virtualProxies": links,
            "formAuthenticationPageTemplate": "",
            "loggedOutPageTemplate": "",
            "errorPageTemplate": "",
            "schemaPath": "ProxyService.Settings"
        },
        "serverNodeConfiguration": server_node(node),
        "tags": [],
        "privileges": null,
        "schemaPath": "ProxyService"
    })
}

fn server_node(node: &Node) -> Value {
    let central = node.number == 1;
    json!({
        "id": node.ids.server_node,
        "name": node.name,
        "hostName": node.host_name,
        "isCentral": central,
        "nodePurpose": 0,
        "engineEnabled": true,
        "proxyEnabled": true,
        "printingEnabled": central,
        "schedulerEnabled": central,
        "failoverCandidate": central,
        "serviceCluster": { "id": SERVICE_CLUSTER, "name": "ServiceCluster", "privileges": null },
        "roles": [],
        "temporaryfilePath": "",
        "privileges": null
    })
}

fn condensed_virtual_proxy(site: &Site, virtual_proxy: &VirtualProxy) -> Value {
    let object = json!({
        "id": virtual_proxy.id,
        "prefix": virtual_proxy.prefix,
        "description": virtual_proxy.description,
        "authenticationModuleRedirectUri": "",
        "sessionModuleBaseUri": "",
        "loadBalancingModuleBaseUri": "",
        "useStickyLoadBalancing": false,
        "loadBalancingServerNodes": engine_nodes(site),
        "authenticationMethod": 0,
        "headerAuthenticationMode": 0,
        "headerAuthenticationHeaderName": "",
        "headerAuthenticationStaticUserDirectory": "",
        "headerAuthenticationDynamicUserDirectory": "",
        "anonymousAccessMode": 1,
        "windowsAuthenticationEnabledDevicePattern": "Windows",
        "sessionCookieHeaderName": virtual_proxy.session_cookie_header,
        "sessionCookieDomain": "",
        "hasSecureAttributeHttps": true,
        "sameSiteAttributeHttps": 0,
        "hasSecureAttributeHttp": false,
        "sameSiteAttributeHttp": 0,
        "additionalResponseHeaders": "",
        "sessionInactivityTimeout": virtual_proxy.inactivity_timeout,
        "extendedSecurityEnvironment": false,
        "websocketCrossOriginWhiteList": ["sense.simulated.test"],
        "defaultVirtualProxy": virtual_proxy.prefix.is_empty(),
        "tags": [],
        "privileges": null
    });
    merged(object, other_authentication())
}

/// Returns the members of a virtual proxy for SAML, JWT and OpenID Connect, which a simulated site does not use.
fn other_authentication() -> Value {
    json!({
        "samlMetadataIdP": "",
        "samlHostUri": "",
        "samlEntityId": "",
        "samlAttributeUserId": "",
        "samlAttributeUserDirectory": "",
        "samlAttributeSigningAlgorithm": 0,
        "samlAttributeMap": [],
        "samlSlo": false,
        "jwtAttributeUserId": "",
        "jwtAttributeUserDirectory": "",
        "jwtAudience": "",
        "jwtPublicKeyCertificate": "",
        "jwtAttributeMap": [],
        "magicLinkHostUri": "",
        "magicLinkFriendlyName": "",
        "oidcConfigurationEndpointUri": "",
        "oidcClientId": "",
        "oidcClientSecret": "",
        "oidcRealm": "",
        "oidcAttributeSub": "",
        "oidcAttributeName": "",
        "oidcAttributeGroups": "",
        "oidcAttributeEmail": "",
        "oidcAttributeClientId": "",
        "oidcAttributePicture": "",
        "oidcScope": "",
        "oidcAttributeMap": []
    })
}

/// Returns an object with the members of both.
fn merged(mut object: Value, more: Value) -> Value {
    if let (Value::Object(members), Value::Object(more)) = (&mut object, more) {
        members.extend(more);
    }
    object
}

/// Returns the nodes that run an engine: on a site of several nodes all but the central one, as is usual. They differ
/// from the nodes that link the virtual proxy, so that a client that confuses the two fails.
fn engine_nodes(site: &Site) -> Vec<Value> {
    let nodes = site.nodes();
    let central = usize::from(nodes.len() > 1);
    nodes.iter().skip(central).map(|node| server_node(node)).collect()
}
